"""What agent-runner adds to the programs that it starts, each beside the same program without it.

With Claude Code on the PATH, runs of it are measured until their first request, which a scripted model on loopback
receives.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from queue import Queue
from typing import Any

from benchmarks.first_answer import teamsup
from benchmarks.footprint import seconds_used
from claude.claude_code import KEY
from claude.scripted_model import ApiFailure, ScriptedModel
from teamsup.config.loader import Config
from teamsup.hub import MessageHub, Team
from teamsup.workers.agent_runner.processes.run_process import run_mark
from teamsup.workers.agent_runner.programs.claude_code import ClaudeCode
from teamsup.workers.agent_runner.run import Cause, Run
from teamsup.workers.agent_runner.run_table import RunTable
from teamsup.workers.agent_runner.sections import AgentSection

MESSAGES = 50
CLAUDE_RUNS = 15
AT_ONCE = 8
IDLE_SECONDS = 60.0
PROGRAM = (
    "import os, time; now = time.monotonic_ns(); open(os.environ['STARTED'], 'w').write(f'{now}\\n'); print('Well.')"
)
"""Its first statement takes the time, on the clock that all processes share."""
TOML = """
[agent.bench]
start = ["message"]
command = ["{python}", "-S", "-E", "-c", "{program}"]
environment = {{ STARTED = "{started}" }}
runs_per_hour = 100000
max_usd = 0
[agent.claude]
start = ["message"]
environment = {{ PATH = "{path}", HOME = "{home}", ANTHROPIC_BASE_URL = "{model}", ANTHROPIC_API_KEY = "{key}" }}
runs_per_hour = 100000
max_parallel = {at_once}
max_usd = 0.5
usd_per_day = 100000
[agent-runner]
runs_per_hour = 100000
usd_per_day = 100000
max_parallel = {at_once}
memory_max = "16 GiB"
[worker.idle]
command = ["{python}", "-m", "benchmarks.idle_worker"]
directory = "{folder}"
heartbeat_seconds = 60
[worker.gateway]
autostart = false
[worker.user_comm]
autostart = false
[worker.monitor-bridge]
autostart = false
"""


class FirstRequests(ScriptedModel):
    """A model that takes the time of each request, and ends each turn at once."""

    def __init__(self) -> None:
        super().__init__({})
        self.arrivals: Queue[int] = Queue()

    def answer(self, request: Mapping[str, Any]) -> list[dict[str, Any]] | ApiFailure:
        """Return the same text each time."""
        if request.get("tools"):
            self.arrivals.put(time.monotonic_ns())
        return [{"type": "text", "text": "Well."}]


class Bench:
    """A team that runs, one who asks its agents, and the model that they ask."""

    def __init__(self, team: Team, asker: MessageHub, model: FirstRequests, started: Path) -> None:
        self.team = team
        self._asker = asker
        self._model = model
        self._started = started
        self._bare_runs = 1_000_000

    def start_by_message(self) -> float:
        """Return the milliseconds from the begin of the send until the program runs, and wait for its answer."""
        begin = time.monotonic_ns()
        asked = self._asker.send("bench", "How are you?")
        self._wait_for_answers({asked.message_id})
        return (int(self._started.read_text()) - begin) / 1e6

    def start_by_spawn(self) -> float:
        """Return the milliseconds from the call of Popen until the program runs."""
        begin = time.monotonic_ns()
        subprocess.run(
            [sys.executable, "-S", "-E", "-c", PROGRAM],
            env={**os.environ, "STARTED": str(self._started)},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return (int(self._started.read_text()) - begin) / 1e6

    def ask_by_message(self, count: int = 1) -> float:
        """Return the milliseconds from the first send until the last of these runs has asked the model."""
        begin = time.monotonic_ns()
        asked = {self._asker.send("claude", "How are you?").message_id for _ in range(count)}
        arrived = self._wait_for_requests(count)
        self._wait_for_answers(asked)
        return (arrived - begin) / 1e6

    def ask_by_spawn(self, count: int = 1) -> float:
        """Do the same with the same command lines, environments and prompts, without agent-runner."""
        launches = [self._plan() for _ in range(count)]
        begin = time.monotonic_ns()
        processes = []
        for launch, folder in launches:
            with (folder / "stdin.json").open("rb") as stdin, (folder / "stdout.jsonl").open("wb") as out:
                processes.append(
                    subprocess.Popen(
                        launch.argv,
                        stdin=stdin,
                        stdout=out,
                        stderr=subprocess.STDOUT,
                        cwd=launch.directory,
                        env=launch.environment,
                        start_new_session=True,
                    )
                )
        arrived = self._wait_for_requests(count)
        for process in processes:
            if process.wait(60):
                raise SystemExit(f"Claude Code has failed: see {launches[0][1]}")
        return (arrived - begin) / 1e6

    def idle_seconds(self) -> dict[str, float]:
        """Return the CPU seconds that two workers without work use."""
        pids = {name: int(self._find(name)) for name in ("agent-runner", "idle")}
        before = {name: seconds_used(pid) for name, pid in pids.items()}
        time.sleep(IDLE_SECONDS)
        return {name: seconds_used(pid) - before[name] for name, pid in pids.items()}

    def _plan(self) -> tuple[Any, Path]:
        self._bare_runs += 1
        with MessageHub(self.team) as hub:
            like = RunTable(hub).latest("claude", 1)[0]
        briefing = (self.team.folder / "runs" / str(like.id) / "stdin.json").read_bytes()
        run = Run(self._bare_runs, "claude", Cause("person", "bench"), _session(self._bare_runs))
        run = replace(run, mark=run_mark(self.team, run.id))
        folder = self.team.folder / "runs" / str(run.id)
        section = Config(self.team).sections_of("agent", AgentSection)["claude"]
        launch = ClaudeCode(self.team).plan(run, section, "-", resume=False, folder=folder)
        (folder / "stdin.json").write_bytes(briefing)
        environment = {**launch.environment, "TEAMSUP_RUN": run.mark}
        return replace(launch, environment=environment), folder

    def _wait_for_requests(self, count: int) -> int:
        return [self._model.arrivals.get(timeout=120) for _ in range(count)][-1]

    def _wait_for_answers(self, asked: set[str]) -> None:
        for delivery in self._asker.listen(120):
            self._asker.acknowledge(delivery)
            asked.discard(delivery.message.reply_to or "")
            if not asked:
                return
        raise SystemExit("The agent has not answered. See: teamsup logs agent-runner")

    def _find(self, name: str) -> str:
        found = self._asker.find_agent(name)
        if found is None:
            raise SystemExit(f"{name} does not run")
        return str(found.metadata["pid"])


def main() -> None:
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {sys.platform}; each in turn")
    model = FirstRequests()
    with tempfile.TemporaryDirectory() as folder, model:
        run(Path(folder), model)


def run(home: Path, model: FirstRequests) -> None:
    team, started = Team("default", home / "default"), home / "started"
    team.create()
    program = PROGRAM.replace("\\", "\\\\").replace('"', '\\"')
    team.configuration.write_text(
        TOML.format(
            python=sys.executable,
            program=program,
            started=started,
            path=os.environ["PATH"],
            home=home,
            model=model.url,
            key=KEY,
            at_once=AT_ONCE,
            folder=Path(__file__).parents[1],
        )
    )
    teamsup(home, "start", "--detach")
    try:
        with MessageHub(team, agent="asker") as asker:
            asker.register()
            for name in ("bench", "claude"):
                asker.enroll(name)
            measure(Bench(team, asker, model, started))
    finally:
        teamsup(home, "stop")


def measure(bench: Bench) -> None:
    bench.start_by_message()  # the first one loads what the others find loaded
    both = [(bench.start_by_message(), bench.start_by_spawn()) for _ in range(MESSAGES)]
    show("a program, until its first line", both)
    if shutil.which("claude") is None:
        print("Claude Code is not on the PATH, so its runs are not measured.")
    else:
        bench.ask_by_message()
        both = [(bench.ask_by_message(), bench.ask_by_spawn()) for _ in range(CLAUDE_RUNS)]
        show("Claude Code, until its first request", both)
        both = [(bench.ask_by_message(AT_ONCE), bench.ask_by_spawn(AT_ONCE)) for _ in range(3)]
        show(f"{AT_ONCE} of Claude Code at once, until the last has asked", both)
    used = bench.idle_seconds()
    print(f"CPU in {IDLE_SECONDS:.0f} s without a cause: " + ", ".join(f"{name} {s:.2f} s" for name, s in used.items()))


def show(what: str, both: Sequence[tuple[float, float]]) -> None:
    """Print the times with agent-runner and without it, and what it adds."""
    print(what)
    medians = []
    for name, column in zip(("by a message", "by a bare spawn"), zip(*both, strict=True), strict=True):
        took = sorted(column)
        medians.append(statistics.median(took))
        worst = took[round(0.99 * (len(took) - 1))]
        print(f"  {name:<20}median {medians[-1]:9.2f} ms, p99 {worst:9.2f} ms, n={len(took)}")
    more = medians[0] - medians[1]
    print(f"  {'difference':<20}median {more:9.2f} ms, {100 * more / medians[1]:.1f} %")


def _session(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


if __name__ == "__main__":
    main()
