"""What the hub's maintenance leaves and removes of the gateway's tables."""

from collections.abc import Callable
from pathlib import Path

from teamsup.hub import MessageHub, Team
from teamsup.hub.engines.sqlite.restore import restore_backup
from teamsup.workers.gateway.component import component

Join = Callable[..., MessageHub]
TABLES = [component.tables] if component.tables is not None else []


def test_a_message_that_discord_already_shows_is_not_sent_again(join: Join, team: Team, tmp_path: Path) -> None:
    lead, gateway, backup = join("lead"), join("gateway"), tmp_path / "backup.db"
    for name in ("said", "half", "removed", "waits"):
        lead.send("gateway", name, message_id=name)
    lead.maintenance.backup(backup)
    said, half, removed, _ = gateway.claim(4)
    piece = "INSERT INTO discord_chunks (message, number, content, nonce, snowflake) VALUES (?, ?, 'x', 'n', ?)"
    new = lead.send("gateway", "new")
    with gateway.transaction():
        gateway.execute(piece, (said.message.id, 0, 100))
        gateway.acknowledge(said, outcome="sent")
        gateway.execute(piece, (half.message.id, 0, 101))
        gateway.execute(piece, (half.message.id, 1, None))
        gateway.acknowledge(removed, outcome="sent")
        gateway.execute("INSERT INTO discord_channels (channel, last_seen) VALUES (1, 999)")
        gateway.execute(piece, (new.id, 0, 102))
    gateway.execute("DELETE FROM messages WHERE message_id = 'removed'")

    restore_backup(team, backup, TABLES)

    assert sorted(delivery.message.content for delivery in gateway.claim(10)) == ["half", "waits"]
    assert gateway.queries.trace("said")[0].outcome == "sent"
    pieces = gateway.query("SELECT message, number, snowflake FROM discord_chunks ORDER BY 1, 2")
    assert [tuple(row) for row in pieces] == [
        (said.message.id, 0, 100),
        (half.message.id, 0, 101),
        (half.message.id, 1, None),
    ]
    assert gateway.query("SELECT last_seen FROM discord_channels")[0][0] == 999
    assert gateway.maintenance.check_integrity(TABLES) == []


def test_forget_removes_that_a_person_has_paired(join: Join) -> None:
    lead = join("lead")
    lead.execute("INSERT INTO discord_people VALUES (30, 'Ann', ''), (31, 'Bob', '')")

    lead.maintenance.forget("discord:30", TABLES)

    assert [row[0] for row in lead.query("SELECT person FROM discord_people")] == [31]
