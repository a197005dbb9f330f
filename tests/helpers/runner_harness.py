"""agent-runner as a process of its own, without a supervisor, and a scripted program as its agent."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, clean_environment, eventually
from teamsup.config.people_protocol import DECISION_REQUEST, USER_COMM
from teamsup.hub import Message, MessageHub, Team
from teamsup.hub.engines.marked_processes import RUN_VARIABLE, is_mark_of, is_running, marked_processes
from teamsup.workers.agent_runner.component import component
from teamsup.workers.agent_runner.run import Run, RunState
from teamsup.workers.agent_runner.run_table import RunTable

_MODULE = "teamsup.workers.agent_runner.agent_runner"
_WITH_OWN_CLOCK = """
import runpy, time
from pathlib import Path
read = time.time
time.time = lambda: read() + float(Path('{}').read_text())
runpy.run_module("teamsup.workers.agent_runner.agent_runner", run_name="__main__")
"""
STAND_IN = Path(__file__).with_name("stand_in_agent.py")
STAND_IN_CLAUDE = Path(__file__).with_name("stand_in_claude.py")


class RunnerHarness:
    """A team with the agent ``gcp``, a person ``ann`` and user_comm's mailbox."""

    def __init__(self, team: Team) -> None:
        self.team = team
        self.signs, self.effects_file = team.folder / "signs", team.folder / "effects"
        self._clock = team.folder / "clock"
        self.signs.mkdir(parents=True)
        self.ann = MessageHub(team, agent="console-ann")
        self.ann.register("console")
        self.people = MessageHub(team, agent=USER_COMM)
        self.people.register("daemon")
        assert component.tables is not None
        self.ann.maintenance.migrate_component(component.tables)
        self.ann.enroll("gcp")
        self.table = RunTable(self.ann)
        self.processes: list[subprocess.Popen[bytes]] = []

    def configure(self, *lines: str, agent: Sequence[str] = (), start: Sequence[str] = ("message",)) -> None:
        """A teamsup.toml with the agent, its further keys and further sections."""
        command = [sys.executable, "-S", str(STAND_IN)]
        environment = f'{{ SIGNS = "{self.signs}", EFFECTS = "{self.effects_file}" }}'
        own = [f"start = {json.dumps(list(start))}", f"command = {json.dumps(command)}", f"environment = {environment}"]
        text = "\n".join(("[agent.gcp]", *own, *agent, *lines, ""))
        draft = self.team.configuration.with_suffix(".draft")
        draft.write_text(text)
        draft.replace(self.team.configuration)

    def claude_section(self, name: str, *keys: str) -> str:
        """A section of an agent whose Claude Code is the stand-in, and who asks people about Bash."""
        bin_folder = self.team.folder / "bin"
        bin_folder.mkdir(exist_ok=True)
        program = bin_folder / "claude"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{STAND_IN_CLAUDE}" "$@"\n')
        program.chmod(0o755)
        variables = {
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "CLAUDE_CONFIG_DIR": str(self.team.folder / "claude"),
            "EFFECTS": str(self.effects_file),
        }
        given = ", ".join(f"{key} = {json.dumps(value)}" for key, value in variables.items())
        own = ['start = ["message"]', 'ask_people = ["Bash"]', f"environment = {{ {given} }}"]
        self.ann.enroll(name)
        return "\n".join((f"[agent.{name}]", *own, *keys))

    def start(self, *, with_own_clock: bool = False) -> subprocess.Popen[bytes]:
        """Start agent-runner; return when it has looked for the first time. ``with_own_clock``: ``set_clock`` sets its
        wall clock."""
        environment = {
            **clean_environment(),
            "TEAMSUP_HOME": str(self.team.folder.parent),
            "TEAMSUP_HEARTBEAT_SECONDS": "1",
            "DISCORD_TOKEN": "a-secret",
        }
        self.set_clock(0.0)
        code = ["-c", _WITH_OWN_CLOCK.format(self._clock)] if with_own_clock else ["-m", _MODULE]
        line = [sys.executable, *code, "--team", self.team.name]
        with (self.team.folder / "runner.log").open("ab") as log:
            self.processes.append(subprocess.Popen(line, env=environment, stderr=log, stdout=log))
        pid = self.processes[-1].pid
        eventually(
            lambda: self._metadata().get("pid") == pid and "startable" in self._metadata(), "the runner's heartbeat"
        )
        return self.processes[-1]

    def set_clock(self, seconds: float) -> None:
        """Set the wall clock of an agent-runner that has its own so far ahead of ours."""
        draft = self._clock.with_suffix(".draft")
        draft.write_text(str(seconds))
        draft.replace(self._clock)

    def kill(self) -> None:
        """Kill agent-runner as a crash does."""
        self.processes[-1].kill()
        self.processes[-1].wait()

    def stop(self) -> None:
        """End agent-runner in order."""
        self.processes[-1].send_signal(signal.SIGTERM)
        assert self.processes[-1].wait(TIMEOUT_SECONDS) == 0

    def tell(
        self, *lines: str, conversation: str | None = None, sender: MessageHub | None = None, agent: str = "gcp"
    ) -> Message:
        """Send the agent a script."""
        return (sender or self.ann).send(agent, "\n".join(lines), conversation_id=conversation)

    def request(self, words: str) -> Message:
        """Write to agent-runner, and return its answer."""
        asked = self.ann.send("agent-runner", words)
        return self.answer_to(asked)

    def answer_to(self, message: Message) -> Message:
        """Return the answer to a message, once it is there."""

        def look() -> Message | None:
            found = self.ann.queries.find(reply_to=message.message_id, recipient=message.sender)
            return next((each for each in found if each.message_type != "status_report"), None)

        return eventually(look, f"an answer to {message.content!r}")

    def question(self) -> Message:
        """Return what people are asked, once they are."""

        def look() -> Message | None:
            asked = [each for each in self.people.queries.peek(50) if each.message_type == DECISION_REQUEST]
            return asked[-1] if asked else None

        return eventually(look, "a question to people")

    def decide(self, question: Message, chosen: int, state: str = "decided") -> None:
        """Answer it as user_comm does."""
        answer = question.metadata["options"][chosen]
        said: dict[str, Any] = {"state": state, "answer": answer, "chosen": chosen, "by": "ann"}
        self.people.send(
            "agent-runner", answer, message_type="opinion_response", reply_to=question.message_id, metadata=said
        )

    def run_in(self, state: RunState, number: int = 1) -> Run:
        """Return a run, once it is in this state; a running one once the pid of its process is stored."""

        def look() -> Run | None:
            run = self.table.get(number)
            return run if run is not None and run.state == state and (state != "running" or run.pid) else None

        try:
            return eventually(look, f"run {number} is {state}")
        except AssertionError:
            raise AssertionError(f"{self.table.get(number)}\n{self.log}") from None

    def wait_for(self, sign: str) -> None:
        """Wait until the agent has said that."""
        eventually((self.signs / sign).exists, f"the agent says {sign}")

    def say(self, sign: str) -> None:
        """Let the agent go on that waits for that."""
        (self.signs / sign).touch()

    @property
    def effects(self) -> list[str]:
        return self.effects_file.read_text().splitlines() if self.effects_file.exists() else []

    @property
    def log(self) -> str:
        return (self.team.folder / "runner.log").read_text()

    def processes_of_runs(self) -> list[psutil.Process]:
        """The processes that runs of this team have now."""
        found = [one for one, mark in marked_processes(RUN_VARIABLE) if is_mark_of(self.team.folder, mark)]
        return [process for process in found if is_running(process)]

    def kill_agent(self, run: Run) -> None:
        """Kill the program of a run, with the shell around it."""
        for process in psutil.Process(run.pid).children(recursive=True):
            process.kill()
        with suppress(ProcessLookupError):
            os.kill(run.pid, signal.SIGKILL)

    def seconds_ahead(self, name: str) -> float:
        """How far the last heartbeat of an agent is ahead of our clock."""
        found = self.ann.find_agent(name)
        if found is None or found.last_heartbeat is None:
            return 0.0
        return found.last_heartbeat.timestamp() - time.time()

    def obstacle(self) -> str:
        """Why the agent is not started now."""
        return str(self._metadata().get("startable", {}).get("gcp", {}).get("obstacle", ""))

    def _metadata(self) -> dict[str, Any]:
        found = self.ann.find_agent("agent-runner")
        return {} if found is None else dict(found.metadata)

    def close(self) -> None:
        """End everything, and find nothing left."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        for left in self.processes_of_runs():
            left.kill()
        self.ann.close()
        self.people.close()


@contextmanager
def open_harness(teamsup: TeamsupCommand) -> Iterator[RunnerHarness]:
    """A harness whose processes all end with the block."""
    harness = RunnerHarness(teamsup.team)
    try:
        yield harness
    finally:
        harness.close()
