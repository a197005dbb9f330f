"""Workers that are repeatedly stopped in the middle of a transaction: is the hub free soon, and nothing lost?

``python -m helpers.stall_soak 20`` does it so many times.
"""

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from helpers.custom_workers import heartbeat_worker_section, wait_for_state
from helpers.support import TeamsupCommand, eventually
from teamsup.hub import MessageHub, StoreError

_WORKERS = 3
# A file with its name stops it in the middle of a transaction.
_WORKER = """
import os, pathlib, signal, sqlite3, time
from contextlib import suppress
from teamsup.hub import MessageHub, StoreError
order = pathlib.Path(os.environ["TEAMSUP_HOME"], os.environ["WHO"])
hub = MessageHub(agent=os.environ["WHO"])
while True:
    with suppress(StoreError):
        hub.heartbeat(pid=os.getpid())
        with hub.transaction():
            hub.send("lead", "written only if the transaction ends")
            if order.exists():
                order.unlink()
                os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(0.3)
"""


@dataclass(frozen=True)
class StallTally:
    """Stops; the longest until the hub took a write again, in seconds; times that it did not."""

    stalls: int
    slowest: float
    stuck: int


def stall_repeatedly(teamsup: TeamsupCommand, stops: int) -> StallTally:
    names = [f"w{number}" for number in range(_WORKERS)]
    teamsup.configure(
        '[team]\nagents = ["lead"]\n' + "".join(heartbeat_worker_section(name, _WORKER) for name in names)
    )
    assert teamsup.run("start", "--detach").returncode == 0
    slowest, stuck = 0.0, 0
    try:
        for number in range(stops):
            name = names[number % _WORKERS]
            wait_for_state(teamsup, name, "RUNNING")
            order = teamsup.home / name
            order.touch()
            eventually(lambda: not order.exists(), "it has begun its transaction")  # noqa: B023
            begun = time.monotonic()
            try:
                eventually(lambda: _takes_writes(teamsup), "the hub takes writes")
            except AssertionError:
                stuck += 1
            slowest = max(slowest, time.monotonic() - begun)
    finally:
        teamsup.run("stop")
    return StallTally(stops, slowest, stuck)


def _takes_writes(teamsup: TeamsupCommand) -> bool:
    try:
        with MessageHub(teamsup.team, agent="lead") as hub:
            hub.register()
    except StoreError:
        return False
    return True


def main() -> None:
    os.umask(0o077)
    with tempfile.TemporaryDirectory() as folder:
        tally = stall_repeatedly(TeamsupCommand(Path(folder)), int(sys.argv[1]))
        print(tally)
        sys.exit(bool(tally.stuck))


if __name__ == "__main__":
    main()
