"""The blocks of shell of the pages run as they are printed, in the home of a person with a real team."""

import contextlib
import os
import pty
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from helpers.code_blocks import PAGES, CodeBlock, Language, blocks_of
from helpers.source_tree import ROOT
from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, clean_environment, eventually
from teamsup.hub import MessageHub, Team

TEAM = """
[monitor-bridge]
cpu_percent = 100
memory_percent = 100
disk_percent = 100

[worker.fork-server]
autostart = false
"""
"""What every page begins with: no report that the host is busy with tests, and nothing that only sessions need."""
NO_WEB = "[worker.web]\nautostart = false\n"
UNWELL = ("alerts", "ps", "start")
"""Commands that end with 4: something needs a person, as is printed; or a busy machine starts workers slowly."""
TOOLS = ("curl", "git", "jq", "openssl")


@dataclass
class Walk:
    """A page, as a reader follows it."""

    needs_team: bool = True
    is_new: bool = False
    """Whether the reader has nothing yet, not even a team."""
    applies: int = 0
    """How many blocks of TOML, from the first on, the reader puts into teamsup.toml."""
    needs_web: bool = False
    values: dict[str, str] = field(default_factory=dict)
    """What the reader writes instead of a word of the page."""


WALKS = {
    "README.md": Walk(),
    "docs/claude-code.md": Walk(needs_team=False),
    "docs/guides.md": Walk(),
    "docs/hub.md": Walk(needs_team=False),
    "docs/monitoring.md": Walk(
        applies=1, values={"SECRET": "$(cat ~/.config/teamsup/script_secret)", "/NAME": "/script"}
    ),
    "docs/people.md": Walk(applies=1, values={"12": "1"}),
    "docs/tutorial/alert.md": Walk(needs_team=False, is_new=True, applies=1),
    "docs/tutorial/discord.md": Walk(needs_team=False),
    "docs/tutorial/hello.md": Walk(needs_team=False, is_new=True),
    "docs/web.md": Walk(needs_web=True),
}
RUN = {
    page: run
    for page in PAGES
    if (run := [b for b in blocks_of(page) if b.language == Language.SHELL and not b.reason])
}


def test_every_page_with_blocks_to_run_is_walked() -> None:
    """Add a new page to ``WALKS``, or mark its blocks with the reason why they cannot be run."""
    assert {page.relative_to(ROOT).as_posix() for page in RUN} == {*WALKS}


class Reader:
    """A person in a home of their own, with a team that ``teamsup start --detach`` runs."""

    def __init__(self, home: Path, walk: Walk) -> None:
        self.home, self.walk = home, walk
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
        self.team = Team("default", home / ".claude" / "teams" / "default")
        self.environment = {
            **clean_environment(),
            "HOME": str(home),
            "USER": "ann",
            "LOGNAME": "ann",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "BROWSER": "true",  # the program that does nothing
            "GIT_CONFIG_GLOBAL": os.devnull,
        }

    def prepare(self) -> None:
        if self.walk.is_new:
            return
        (self.home / "shop").mkdir()
        with (
            MessageHub(self.team, agent="lead", create=True) as hub,
            MessageHub(self.team, agent="user_comm") as user_comm,
        ):
            hub.register()
            user_comm.register("daemon")
            hub.send(
                "user_comm", "Restart it?", message_type="opinion_request", metadata={"options": ["restart", "wait"]}
            )
        self.team.configuration.write_text(TEAM + ("" if self.walk.needs_web else NO_WEB))
        for name in ("first", "second"):
            other = self.team.folder.with_name(name)
            other.mkdir()
            (other / "teamsup.toml").write_text(TEAM + NO_WEB)
        self.run("git init -q && git -c user.name=ann -c user.email=a@b.c commit -q --allow-empty -m 'Build it'")
        if self.walk.needs_team:
            self.run("teamsup start --detach")
            ps = TeamsupCommand(self.team.folder.parent).ps
            for name in ("user_comm", "monitor-bridge", *(["web"] if self.walk.needs_web else [])):
                eventually(lambda name=name: ps()[name]["state"] == "RUNNING", name)  # type: ignore[misc]
            # It measures a second after its start, and a page asks it for its figures.
            eventually(lambda: "CPU" in ps()["monitor-bridge"]["note"], "the first figures")

    def apply(self, toml: str) -> None:
        """Put the sections into teamsup.toml, those that it has already instead of the old ones."""
        kept = "".join(
            section
            for section in re.split(r"^(?=\[)", self.team.configuration.read_text(), flags=re.MULTILINE)
            if section.partition("\n")[0] not in toml
        )
        self.team.configuration.write_text(kept + self.fill(toml) + "\n")
        if self.walk.needs_team:
            self.run("teamsup reload && teamsup restart user_comm")  # which reads the file a moment after its change

    def follow(self, block: CodeBlock) -> None:
        """Type what the block says. Compare what it prints first with what the page shows."""
        for command, stdin, shown in steps_of(block.text):
            printed = self.run(self.fill(command), stdin, at=str(block))
            for line in shown:
                assert plain(line) in plain(printed), f"{block}: {command} does not print this:\n{line}\nbut\n{printed}"

    def fill(self, text: str) -> str:
        values = {"9095": str(self.port), **self.walk.values}
        return re.sub(rf"({'|'.join(values)})\b", lambda found: values[found[1]], text)

    def run(self, command: str, stdin: str = "", at: str = "") -> str:
        """Run it as bash does, and return what it prints. A question at a terminal is answered with y."""
        with contextlib.ExitStack() as stack:
            streams: dict[str, Any] = {"input": stdin or "TOKEN\n", "stdout": subprocess.PIPE}
            if needs_terminal := re.search("teamsup (open|hub restore)", command):
                terminal, slave = pty.openpty()
                stack.callback(os.close, terminal)
                stack.callback(os.close, slave)
                os.write(terminal, b"y\n")
                streams = {"stdin": slave, "stdout": slave}
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", command],
                **streams,
                stderr=subprocess.PIPE,
                text=True,
                cwd=self.home,
                env=self.environment,
                timeout=120,
                check=False,
            )
            printed = os.read(terminal, 1 << 16).decode() if needs_terminal else str(done.stdout)
        allowed = (0, 4) if command.split()[:2] in [["teamsup", each] for each in UNWELL] else (0,)
        assert done.returncode in allowed, f"{at}: {command}\n{printed}\n{done.stderr}"
        return printed


@contextlib.contextmanager
def answering(team: Team) -> Iterator[None]:
    """Let the agent lead say yes to everything."""
    ended = threading.Event()

    def answer() -> None:
        with MessageHub(team, agent="lead") as hub:
            while not ended.is_set():
                for delivery in hub.listen(0.2):
                    hub.reply(delivery, "yes")

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(TIMEOUT_SECONDS)


def steps_of(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield each command of a block, its input, and the lines that it is said to print first.

    A block without ``$`` is one script, and prints what it likes.
    """
    if not re.search(r"^\$ ", text, re.MULTILINE):
        yield text, "", []
        return
    for step in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, *printed = step.splitlines()
        typed = [line.removeprefix("you> ") + "\n" for line in printed if line.startswith("you> ")]
        shown = [line for line in printed if line and not line.startswith(("you> ", " "))]
        yield command, "".join(typed), shown if typed else shown[:1]


def plain(text: str) -> str:
    """Return the text without what differs from one time to the next: numbers, widths, the prompt of a terminal."""
    return re.sub(r"\s+", " ", re.sub(r"[\d.]+", "0", text.replace("team> ", "")))


def test_the_steps_of_a_block_are_its_commands_with_their_input() -> None:
    assert list(steps_of("cd x\nls")) == [("cd x\nls", "", [])]
    assert list(steps_of("$ chat\nyou> Hi\nteam> Hello\n$ ps\nNAME\nweb\n")) == [
        ("chat", "Hi\n", ["team> Hello"]),
        ("ps", "", ["NAME"]),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_is_followed_as_it_is_printed(page: Path, tmp_path: Path) -> None:
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        pytest.skip(f"there is no {missing[0]} here")
    reader = Reader(tmp_path, WALKS[page.relative_to(ROOT).as_posix()])
    to_apply = reader.walk.applies
    reader.prepare()
    try:
        with contextlib.nullcontext() if reader.walk.is_new else answering(reader.team):
            for block in blocks_of(page):
                if block.language == Language.TOML and to_apply:
                    to_apply -= 1
                    reader.apply(block.text)
                elif block in RUN[page]:
                    reader.follow(block)
    finally:
        for folder in reader.team.folder.parent.glob("*"):
            subprocess.run(
                ["teamsup", "stop", "--team", folder.name], env=reader.environment, capture_output=True, check=False
            )
