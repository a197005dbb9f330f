"""How soon a message starts an agent's process, beside a bare spawn of the same program."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.first_answer import teamsup
from teamsup.hub import MessageHub, Team

MESSAGES = 50
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
[agent-runner]
runs_per_hour = 100000
[worker.gateway]
autostart = false
[worker.user_comm]
autostart = false
[worker.monitor-bridge]
autostart = false
"""


def main() -> None:
    print(
        f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {sys.platform}; each in turn, until its first line"
    )
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder))


def run(home: Path) -> None:
    team, started = Team("default", home / "default"), home / "started"
    team.create()
    program = PROGRAM.replace("\\", "\\\\").replace('"', '\\"')
    team.configuration.write_text(TOML.format(python=sys.executable, program=program, started=started))
    teamsup(home, "start", "--detach")
    try:
        with MessageHub(team, agent="asker") as asker:
            asker.register()
            asker.enroll("bench")
            by_message(asker, started)  # the first one loads what the others find loaded
            both = [(by_message(asker, started), by_spawn(started)) for _ in range(MESSAGES)]
    finally:
        teamsup(home, "stop")
    runs, spawns = (sorted(column) for column in zip(*both, strict=True))
    for name, took in (("message -> process started", runs), ("bare spawn -> process started", spawns)):
        p99 = took[round(0.99 * (len(took) - 1))]
        print(f"{name:<32}median {statistics.median(took):.2f} ms, p99 {p99:.2f} ms, n={len(took)}")
    print(f"{'ratio of the medians':<32}{statistics.median(runs) / statistics.median(spawns):.2f}")


def by_message(asker: MessageHub, started: Path) -> float:
    """Return the milliseconds from the begin of the send until the program runs, and wait for its answer."""
    begin = time.monotonic_ns()
    asked = asker.send("bench", "How are you?")
    for delivery in asker.listen(60):
        asker.acknowledge(delivery)
        if delivery.message.reply_to == asked.message_id:
            return (int(started.read_text()) - begin) / 1e6
    raise SystemExit("The agent has not answered. See: teamsup logs agent-runner")


def by_spawn(started: Path) -> float:
    """Return the milliseconds from the call of Popen until the program runs."""
    begin = time.monotonic_ns()
    subprocess.run(
        [sys.executable, "-S", "-E", "-c", PROGRAM],
        env={**os.environ, "STARTED": str(started)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return (int(started.read_text()) - begin) / 1e6


if __name__ == "__main__":
    main()
