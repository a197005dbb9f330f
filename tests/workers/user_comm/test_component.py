"""What the hub's maintenance leaves and removes of user_comm's tables."""

from collections.abc import Callable

from teamsup.hub import MessageHub
from teamsup.workers.user_comm.component import component

Join = Callable[..., MessageHub]
TABLES = [component.tables] if component.tables is not None else []


def test_prune_leaves_what_people_are_still_to_decide(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    for _ in range(4):
        lead.send("scout", "x")
    for delivery in scout.claim(4):
        scout.acknowledge(delivery)
    lead.execute("INSERT INTO decisions (question, asked_by) VALUES (2, 'lead')")
    lead.execute("INSERT INTO decision_messages VALUES (3, 2, 'scout')")

    assert lead.maintenance.prune(keep=0, components=TABLES) == 2

    lead.execute("UPDATE decisions SET state = 'decided'")
    assert lead.maintenance.prune(keep=0, components=TABLES) == 2
    assert lead.query("SELECT * FROM decisions") == lead.query("SELECT * FROM decision_messages") == []


def test_forget_removes_a_persons_conversations_and_what_they_have_decided(join: Join) -> None:
    lead, bob = join("lead"), join("console-bob")
    lead.enroll("console-ann-2", "console")
    lead.execute("INSERT INTO conversations VALUES ('console-ann-2:1', '[]', 0), ('console-anna:1', '[]', 0)")
    for options in ("[]", '["yes", "no"]'):
        asked = bob.send("lead", "yes?")
        lead.execute(
            "INSERT INTO decisions (question, asked_by, options, state, answer, decided_by_id, decided_by)"
            " VALUES (?, 'lead', ?, 'decided', 'yes', 'console-ann', 'ann')",
            (asked.id, options),
        )

    assert lead.maintenance.forget("console-ann", TABLES) == 0

    assert [row[0] for row in lead.query("SELECT conversation FROM conversations")] == ["console-anna:1"]
    assert [tuple(row) for row in lead.query("SELECT answer, decided_by_id, decided_by FROM decisions")] == [
        ("(forgotten)", None, "somebody"),
        ("yes", None, "somebody"),
    ]
