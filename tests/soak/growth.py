"""A team that talks for months: does its file stay small while what has ended is pruned?

``python -m soak.growth 1000000`` sends, reads and prunes that many messages.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from teamsup.hub import MessageHub, Team

KEEP = 5000
_BATCH = 100
_BETWEEN_PRUNES = 20_000


@dataclass(frozen=True)
class Growth:
    """Messages sent and left, and the most bytes of the file after a prune, of its WAL before one, and at the end."""

    sent: int
    left: int
    file: int
    wal: int
    last_wal: int


def grow(team: Team, messages: int) -> Growth:
    file = wal = 0
    with (
        MessageHub(team, agent="lead", durability="normal") as lead,
        MessageHub(team, agent="scout", durability="normal") as scout,
    ):
        scout.register()
        for sent in range(_BATCH, messages + _BATCH, _BATCH):
            with lead.transaction():
                for _ in range(_BATCH):
                    lead.send("scout", "x" * 200)
            with scout.transaction():
                for delivery in scout.claim(_BATCH):
                    scout.acknowledge(delivery)
            if sent % _BETWEEN_PRUNES == 0:
                wal = max(wal, lead.queries.stats().wal_bytes)
                lead.maintenance.prune(keep=KEEP)
                file = max(file, lead.queries.stats().file_bytes)
        lead.maintenance.prune(keep=KEEP)
        stats = lead.queries.stats()
    return Growth(sent, stats.messages, max(file, stats.file_bytes), wal, stats.wal_bytes)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        print(grow(Team("crew", Path(folder) / "crew"), int(sys.argv[1])))


if __name__ == "__main__":
    main()
