"""The team that is put under load: its small disk, its server, its configuration, and its supervisor, which is started
again as systemd would.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from fake_discord import CHANNEL, GUILD, TOKEN, FakeDiscord
from helpers.clock import SharedClock
from helpers.custom_workers import worker_section
from helpers.postgres_server import PostgresServer, running_server
from helpers.runner_harness import STAND_IN
from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, clean_environment, run_foreign_sql
from teamsup.hub import Team
from teamsup.hub.engines.marked_processes import (
    TAG_VARIABLE,
    is_mark_of,
    read_variable,
    words_of,
)
from teamsup.hub.wakeup.doorbell import Doorbells
from teamsup.supervisor.processes.orphans import GUEST_VARIABLE

from . import ledger
from .alert_sources import KINDS

SQLITE, POSTGRESQL = "sqlite", "postgresql"
TESTS = Path(__file__).parents[2]
_STARTUP = Path(__file__).with_name("startup")
_DISK = "size=768m"
_STOP_SECONDS = 60.0
_CONFIGURATION = f"""
[team]
agents = ["lead", "scout", "watch", "clerk"]
HUB
[user_comm]
default_agent = "lead"
open_per_person = 100000
open_per_conversation = 100000
history_messages = 0
[gateway]
guilds = [{GUILD}]
home_channel = {CHANNEL}
messages_per_minute = 1000
catch_up_messages = 100000
[monitor-bridge]
listen = "127.0.0.1:ALERTS"
storm_per_minute = 10000
[alert_route.all]
agents = ["watch"]
[web]
listen = "127.0.0.1:WEB"
[agent-runner]
runs_per_hour = 100000
[agent.bee]
start = ["message"]
command = {json.dumps([sys.executable, "-S", str(STAND_IN)])}
environment = {{ SIGNS = "SIGN_FOLDER", EFFECTS = "EFFECT_FILE" }}
runs_per_hour = 100000
max_parallel = 2
"""


@dataclass
class TeamRig:
    """One team on one engine."""

    engine: str
    place: Path
    """Not on the small disk: what the harness itself writes."""
    discord: FakeDiscord
    server: PostgresServer | None
    is_disk_small: bool
    alert_port: int
    web_port: int
    supervisor: "subprocess.Popen[bytes] | None" = None
    supervisor_starts: int = 0
    seen_processes: dict[str, set[int]] = field(default_factory=dict)
    """The pids that each worker has had."""
    _names: dict[tuple[int, float], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.disk = self.place / "disk"
        self.teamsup = TeamsupCommand(self.disk / "home", "crew")
        self.clock = SharedClock(self.place / "clock")
        self.book = self.place / "ledger.book"
        self.effects = self.place / "effects"

    @property
    def team(self) -> Team:
        return self.teamsup.team

    @property
    def variables(self) -> dict[str, str]:
        """What lets a process of this team see the fake Discord and the clock that jumps."""
        return {
            "PYTHONPATH": os.pathsep.join((str(TESTS), str(_STARTUP))),
            "SOAK_CLOCK": str(self.place / "clock"),
            ledger.BOOK: str(self.book),
            "FAKE_DISCORD": self.discord.url,
            "TMPDIR": str(self.disk / "tmp"),
        }

    @property
    def environment(self) -> dict[str, str]:
        own = {"TEAMSUP_HOME": str(self.teamsup.home), "DISCORD_TOKEN": TOKEN}
        return {**clean_environment(), **self.variables, **own}

    def configure(self, address: str | None) -> None:
        """Write teamsup.toml."""
        (self.disk / "tmp").mkdir()
        (self.place / "signs").mkdir()
        self.team.folder.mkdir(mode=0o700, parents=True)
        text = _CONFIGURATION.replace("HUB", "" if address is None else f'hub = "{address}"')
        for word, value in (
            ("ALERTS", str(self.alert_port)),
            ("WEB", str(self.web_port)),
            ("SIGN_FOLDER", str(self.place / "signs")),
            ("EFFECT_FILE", str(self.effects)),
        ):
            text = text.replace(word, value)
        text += "".join(f'[source.{kind}]\nkind = "{kind}"\n' for kind in KINDS)
        text += worker_section(ledger.NAME, f"import {ledger.__name__} as ledger; ledger.main()", heartbeat_seconds=10)
        self.team.configuration.touch(0o600)
        self.team.configuration.write_text(text)

    def start_supervisor(self) -> None:
        """Start the supervisor in a session of its own: a Ctrl-C is for the harness."""
        with (self.place / "supervisor.out").open("ab") as output:
            self.supervisor = subprocess.Popen(
                self.teamsup.line("start", "--team", self.team.name),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.supervisor_starts += 1

    def read_output(self) -> str:
        """Return what all supervisors have printed."""
        return (self.place / "supervisor.out").read_text(errors="replace")

    def kill_supervisor(self) -> None:
        assert self.supervisor is not None
        self.supervisor.kill()
        self.supervisor.wait()

    def revive(self) -> None:
        """Start what has ended, as systemd does."""
        if self.server is not None and self.server.process is not None and self.server.process.poll() is not None:
            self.server.stop()
            self.server.start()
        if self.supervisor is None or self.supervisor.poll() is not None:
            self.start_supervisor()

    def stop(self) -> None:
        """End the team in order; kill what does not end in a minute."""
        if self.supervisor is None or self.supervisor.poll() is not None:
            return
        self.supervisor.send_signal(signal.SIGTERM)
        try:
            self.supervisor.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.supervisor.kill()
            self.supervisor.wait()

    def workers(self) -> dict[str, psutil.Process]:
        """Return the supervisor and its workers by name, and note their pids."""
        found: dict[str, psutil.Process] = {}
        if self.supervisor is None or self.supervisor.poll() is not None:
            return found
        with contextlib.suppress(psutil.Error):
            found["supervisor"] = psutil.Process(self.supervisor.pid)
            for child in found["supervisor"].children():
                if name := self._name_of(child):
                    found[name] = child
        for name, process in found.items():
            self.seen_processes.setdefault(name, set()).add(process.pid)
        return found

    def _name_of(self, process: psutil.Process) -> str:
        key = (process.pid, process.create_time())
        if key not in self._names:
            mark = read_variable(process, TAG_VARIABLE) or read_variable(process, GUEST_VARIABLE)
            name = words_of(mark).partition("@")[0] if is_mark_of(self.team.folder, mark) else ""
            if not name:
                return ""  # perhaps it is still between fork and exec
            self._names[key] = name
        return self._names[key]

    def sessions(self) -> dict[str, psutil.Process]:
        """Return the processes that our MCP clients speak to, by the agent's name."""
        found = {}
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.Error, ValueError, IndexError):
                words = child.cmdline()
                found[words[words.index("--agent") + 1]] = child
        return found

    def runs(self) -> dict[str, psutil.Process]:
        """Return the processes of the runs that are under way, by the run's number."""
        found = {}
        for number, pid in run_foreign_sql(self.team, "SELECT id, pid FROM runs WHERE state = 'running' AND pid > 0"):
            with contextlib.suppress(psutil.Error):
                found[f"run {number}"] = psutil.Process(pid)
        return found

    def left_processes(self) -> list[str]:
        """Return what is left of the team after its end."""
        ends = time.monotonic() + TIMEOUT_SECONDS
        while left := self._processes_of_team():
            if time.monotonic() > ends:
                break
            time.sleep(0.2)
        return left

    def _processes_of_team(self) -> list[str]:
        home = str(self.teamsup.home)
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid != os.getpid() and process.environ().get("TEAMSUP_HOME") == home:
                    found.append(f"{process.pid} {' '.join(process.cmdline())[:120]}")
        return found

    def left_files(self) -> list[str]:
        """Return what an ended team should have removed: doorbells, sockets, drafts and temporary files."""
        # A killed process leaves its doorbell. Who rings next finds nobody, and removes it.
        Doorbells(self.team.run).ring_all()
        found = [path for path in self.team.folder.rglob("*") if path.is_socket() or path.suffix in (".draft", ".tmp")]
        found += [path for path in (self.disk / "tmp").iterdir() if path.name != "ballast"]
        return sorted(str(path.relative_to(self.disk)) for path in found)

    def copy_logs(self, folder: Path) -> None:
        """Copy the logs of the team, of its supervisor and of its server."""
        shutil.copytree(self.team.logs, folder, dirs_exist_ok=True)
        shutil.copy(self.place / "supervisor.out", folder)
        if self.server is not None and self.server.folder is not None:
            shutil.copy(self.server.folder / "log", folder / "postgres.log")
        rows = run_foreign_sql(
            self.team,
            "SELECT m.id, m.sender, m.content, m.created_at, d.recipient, d.state, d.attempts, d.read_at, d.done_at,"
            " d.outcome FROM messages AS m LEFT JOIN deliveries AS d ON d.message = m.id ORDER BY m.id",
        )
        (folder / "messages.txt").write_text("\n".join(" | ".join(map(str, row)) for row in rows).replace("\\n", " "))

    def count_files(self) -> tuple[int, int]:
        """Return how many files the team has besides logs and those of runs, and their bytes without the database's.

        The doorbell of a killed process is there until somebody rings it next, so doorbells do not count.
        """
        number = size = 0
        for path in self.team.folder.rglob("*"):
            with contextlib.suppress(OSError):
                if path.is_dir() or path.is_socket() or path.is_relative_to(self.team.logs) or "runs" in path.parts:
                    continue
                number += 1
                if path != self.team.database:
                    size += path.stat().st_size
        return number, size

    @contextlib.contextmanager
    def filled_disk(self) -> Iterator[None]:
        """Fill the small disk until the block ends."""
        ballast = self.disk / "tmp" / "ballast"
        try:
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(1 << 20))
            yield
        finally:
            ballast.unlink(missing_ok=True)


@contextlib.contextmanager
def open_rig(engine: str, discord: FakeDiscord) -> Iterator[TeamRig]:
    """A team that is configured, not started; all of it is removed in the end. Raises NoServer."""
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True)))
        disk = place / "disk"
        disk.mkdir()
        is_small = (
            sys.platform == "linux"
            and not subprocess.run(
                ["mount", "-t", "tmpfs", "-o", _DISK, "none", disk], capture_output=True, check=False
            ).returncode
        )
        if is_small:
            place.chmod(0o711)
            disk.chmod(0o777)
            stack.callback(lambda: subprocess.run(["umount", "-l", disk], check=False))
        server, address = None, None
        if engine == POSTGRESQL:
            previous, tempfile.tempdir = tempfile.tempdir, str(disk)
            try:
                server = stack.enter_context(running_server(in_memory=False))
            finally:
                tempfile.tempdir = previous
            address = stack.enter_context(server.schema())
        rig = TeamRig(engine, place, discord, server, is_small, _free_port(), _free_port())
        rig.configure(address)
        stack.callback(rig.stop)
        yield rig


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
