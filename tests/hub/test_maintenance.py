"""The store stays small and sound."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.support import TeamsupCommand, refusal_of, round_ages, run_foreign_sql
from soak.growth import KEEP, grow
from teamsup.hub import CallerError, MessageHub, StoreError, Team, UnknownMessage
from teamsup.hub.models import MAX_ATTEMPTS

Join = Callable[..., MessageHub]
DAY = 86400


def exchange(sender: MessageHub, reader: MessageHub, count: int, content: str = "x") -> None:
    for start in range(0, count, 50):
        with sender.transaction():
            for _ in range(start, min(count, start + 50)):
                sender.send(reader.agent, content)
        with reader.transaction():
            for delivery in reader.claim(50):
                reader.acknowledge(delivery)


def kill_letter(sender: MessageHub, reader: MessageHub, content: str) -> str:
    message = sender.send(reader.agent, content)
    for _ in range(MAX_ATTEMPTS):
        (delivery,) = reader.claim()
        reader.release(delivery, error="no luck", delay=0)
    return message.message_id


def test_a_dead_letter_is_dropped_once_and_stays_in_the_history(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    message_id = kill_letter(lead, scout, "hopeless")
    assert lead.queries.count_dead_letters() == 1

    assert lead.maintenance.drop_dead(message_id, "scout", outcome="dropped by ann")

    assert lead.queries.count_dead_letters() == 0
    (state,) = lead.queries.trace(message_id)
    assert (state.state, state.outcome) == ("cancelled", "dropped by ann")
    assert not lead.maintenance.drop_dead(message_id, "scout", outcome="again")


def test_prune_by_count_keeps_the_newest(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    exchange(lead, scout, 1200)

    assert lead.maintenance.prune(keep=100) == 1100

    assert lead.queries.stats().messages == 100
    assert lead.queries.history(limit=1)[0].id == 1200


def test_prune_by_age_takes_what_has_ended_and_expires_what_nobody_reads(join: Join) -> None:
    now = [2_000_000_000.0]
    lead, scout = join("lead", clock=lambda: now[0]), join("scout", clock=lambda: now[0])
    exchange(lead, scout, 3)
    unread = lead.send("scout", "anybody?")
    now[0] += 31 * DAY
    fresh = lead.send("scout", "today")

    assert lead.maintenance.prune(older_than=30 * DAY) == 4

    assert [message.message_id for message in lead.queries.history()] == [fresh.message_id]
    with pytest.raises(UnknownMessage):
        lead.queries.trace(unread.message_id)


def test_prune_leaves_what_somebody_works_on(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "long work")
    (delivery,) = scout.claim()

    assert lead.maintenance.prune(keep=0) == 0

    scout.acknowledge(delivery)


@pytest.mark.slow
@pytest.mark.only_sqlite("a server keeps freed space for its next rows")
def test_a_pruned_file_is_small_again(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    exchange(lead, scout, 3000, "x" * 2000)
    assert lead.queries.stats().file_bytes + lead.queries.stats().wal_bytes > 6_000_000

    lead.maintenance.prune(keep=0)

    assert lead.queries.stats().file_bytes < 500_000
    assert lead.queries.stats().wal_bytes == 0


def test_pruned_messages_leave_the_search_index(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    exchange(lead, scout, 3, "needle")
    assert len(lead.queries.search("needle")) == 3

    lead.maintenance.prune(keep=1)

    assert len(lead.queries.search("needle")) == 1
    assert lead.maintenance.check_integrity() == []


def test_dead_letters_are_listed_and_delivered_again(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    message_id = kill_letter(lead, scout, "fragile")

    (letter,) = lead.queries.dead_letters()
    assert (letter.message.content, letter.recipient, letter.attempts, letter.error) == (
        "fragile",
        "scout",
        5,
        "no luck",
    )
    assert lead.maintenance.retry(message_id) == 1

    assert lead.queries.dead_letters() == []
    (delivery,) = scout.claim()
    assert (delivery.message.content, delivery.attempts) == ("fragile", 1)
    assert lead.maintenance.retry(message_id) == 0


def test_a_retried_letter_waits_for_its_conversation(join: Join) -> None:
    lead, scout = join("lead"), join("scout")
    dead = lead.send("scout", "one", conversation_id="c")
    lead.send("scout", "two", conversation_id="c")
    for _ in range(MAX_ATTEMPTS):
        (delivery,) = scout.claim()
        scout.release(delivery, error="no luck", delay=0)
    (two,) = scout.claim()

    lead.maintenance.retry(dead.message_id)

    assert scout.claim() == []
    scout.acknowledge(two)
    assert [delivery.message.content for delivery in scout.claim()] == ["one"]


def test_expire_makes_status_true_also_where_nobody_reads(join: Join) -> None:
    now = [2_000_000_000.0]
    lead = join("lead", clock=lambda: now[0])
    lead.enroll("absent")
    question = lead.send("absent", "lunch?", expires_in=60, message_type="task_request")
    now[0] += 60

    assert lead.maintenance.apply_all_deadlines([]) == 1

    assert lead.queries.message(question.message_id).status == "expired"
    (news,) = lead.claim()
    assert news.message.content == "absent did not read your message before it expired."
    assert lead.maintenance.apply_all_deadlines([]) == 0


@pytest.mark.only_sqlite("reads the file")
def test_forget_removes_a_person_and_their_words(join: Join, team: Team) -> None:
    lead, gateway = join("lead"), join("gateway")
    lead.enroll("console-ann", "console")
    lead.send("console-ann", "hello ann")
    gateway.send("lead", "my number is 555-0199-77", metadata={"author_name": "Ann", "user": 30})
    run_foreign_sql(
        team, "INSERT INTO messages (message_id, sender, recipient, content, metadata) VALUES ('m','x','lead','y','{')"
    )
    assert lead.queries.search("555")

    question = gateway.send("lead", "and 0199 again", metadata={"person": "discord:30"})
    lead.answer(question, "0199 it is")

    assert lead.maintenance.forget("console-ann") == 1
    assert lead.maintenance.count_messages_of("discord:30") == 3
    assert lead.maintenance.forget("discord:30") == 3
    assert lead.maintenance.forget("30") == 0

    assert [message.content for message in lead.queries.history()] == ["y"]
    assert "console-ann" not in [agent.name for agent in lead.agents()]
    assert lead.queries.search("555") == []
    assert b"0199" not in team.database.read_bytes()


def test_forget_knows_a_persons_other_terminals_and_what_quotes_them(join: Join) -> None:
    lead, ann = join("lead"), join("console-ann")
    for name in ("console-ann", "console-ann-2", "console-anna", "console-ann-lee"):
        lead.send("lead", f"from {name}", metadata={"person": name})
    lead.send(
        "lead", "bob, quoting ann", metadata={"person": "console-bob", "quotes": ["console-ann-2", "console-eve"]}
    )
    lead.enroll("console-ann-2", "console")

    assert ann.maintenance.forget("console-ann") == 3

    assert {message.content for message in lead.queries.history()} == {"from console-anna", "from console-ann-lee"}
    assert "console-ann-2" not in [agent.name for agent in lead.agents()]


@pytest.mark.only_sqlite("a server has its own backups")
def test_a_backup_is_a_whole_team(join: Join, tmp_path: Path) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "precious")
    target = tmp_path / "copy" / "messages.db"
    target.parent.mkdir()

    lead.maintenance.backup(target)

    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [file.name for file in target.parent.iterdir()] == ["messages.db"]
    with MessageHub(Team("copy", target.parent), agent="scout") as copy:
        assert [delivery.message.content for delivery in copy.claim()] == ["precious"]
    assert len(scout.claim()) == 1


@pytest.mark.only_sqlite("a server has its own backups")
def test_a_backup_replaces_nothing_and_says_where_it_cannot_be(join: Join, tmp_path: Path) -> None:
    lead = join("lead")
    tmp_path.joinpath("old").write_text("old")

    with pytest.raises(CallerError, match="is there already"):
        lead.maintenance.backup(tmp_path / "old")
    with pytest.raises(StoreError, match="No backup was written"):
        lead.maintenance.backup(tmp_path / "nowhere" / "copy")


def test_check_finds_what_is_wrong(join: Join, team: Team) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "one", conversation_id="c")
    assert lead.maintenance.check_integrity() == []

    run_foreign_sql(team, "UPDATE deliveries SET is_head = 0")
    run_foreign_sql(team, "INSERT INTO deliveries (message, recipient, rank) VALUES (99, 'scout', 0)")

    assert lead.maintenance.check_integrity() == [
        "1 deliveries belong to no message.",
        "1 conversations have open deliveries but none that may be claimed.",
    ]
    assert scout.agent == "scout"


def test_a_message_is_withdrawn_from_those_who_have_not_read_it(join: Join) -> None:
    lead, scout, scribe = join("lead"), join("scout"), join("scribe")
    message = lead.broadcast("never mind")
    (delivery,) = scout.claim()

    assert lead.cancel(message.message_id) == ["scribe"]
    assert scribe.claim() == []
    assert lead.cancel(message.message_id, even_if_read=True) == ["scout"]

    assert lead.queries.message(message.message_id).status == "cancelled"
    with pytest.raises(CallerError, match="withdrawn"):
        scout.acknowledge(delivery)


@pytest.mark.slow
def test_a_person_looks_after_the_store(teamsup: TeamsupCommand, tmp_path: Path) -> None:
    assert "There is no team 'default'" in refusal_of(teamsup.run("hub", "stats"))
    with MessageHub(teamsup.team, agent="lead") as lead, MessageHub(teamsup.team, agent="scout") as scout:
        scout.register()
        kill_letter(lead, scout, "fragile\nthing")
        number = lead.queries.dead_letters()[0].message.id

    assert "dead           1" in teamsup.run("hub", "stats").stdout
    assert '"dead": 1' in teamsup.run("hub", "stats", "--json").stdout
    assert round_ages(teamsup.run("hub", "dead-letters").stdout) == (
        f"#{number} lead -> scout, just now: fragile thing\n    5 attempts: no luck\n"
    )
    assert '"error": "no luck"' in teamsup.run("hub", "dead-letters", "--json").stdout
    assert teamsup.run("hub", "retry", f"#{number}").stdout == "Delivering again: 1.\n"
    assert refusal_of(teamsup.run("hub", "retry", f"#{number}")) == (
        f"teamsup: No delivery of #{number} is a dead letter."
    )
    assert teamsup.run("hub", "dead-letters").stdout == "There are no dead letters.\n"
    assert teamsup.run("hub", "check").stdout == "The store is sound.\n"
    assert teamsup.run("hub", "backup", str(tmp_path / "b.db")).stdout.startswith("Wrote ")
    assert teamsup.run("hub", "backup", str(tmp_path / "b.db")).returncode == os.EX_USAGE
    assert teamsup.run("hub", "prune", "--days", "nan").returncode == 64
    assert teamsup.run("hub", "prune").stdout.startswith("Removed 0 messages; the file has ")
    run_foreign_sql(teamsup.team, "INSERT INTO deliveries (message, recipient, rank) VALUES (99, 'x', 0)")
    broken = teamsup.run("hub", "check")
    assert (broken.returncode, refusal_of(broken)) == (os.EX_IOERR, "teamsup: 1 deliveries belong to no message.")


def test_the_prune_command_keeps_what_the_team_is_configured_to_keep(teamsup: TeamsupCommand) -> None:
    teamsup.team.create()
    with MessageHub(teamsup.team, agent="lead") as lead, MessageHub(teamsup.team, agent="scout") as scout:
        scout.register()
        exchange(lead, scout, 3)
    assert teamsup.run("hub", "prune").stdout.startswith("Removed 0 messages; ")

    teamsup.team.configuration.write_text("[team]\nkeep_days = 0.0000001\n")

    assert teamsup.run("hub", "prune", "--dry-run").stdout == "Would remove 3 messages.\n"
    counted = json.loads(teamsup.run("hub", "prune", "--dry-run", "--json").stdout)
    assert counted == {"team": "default", "dry_run": True, "messages": 3, "text": "Would remove 3 messages."}
    asked = teamsup.run("hub", "prune")
    assert (asked.returncode, asked.stdout) == (64, "")
    assert asked.stderr == "teamsup: 3 messages will be removed for good. Add --yes to do it.\n"
    removed = json.loads(teamsup.run("hub", "prune", "--yes", "--json").stdout)
    assert (removed["dry_run"], removed["messages"]) == (False, 3)
    assert "keep_days of [team]" in " ".join(teamsup.run("hub", "prune", "--help").stdout.split())


@pytest.mark.only_sqlite("measures the file")
@pytest.mark.slow
def test_a_team_that_talks_for_months_keeps_a_small_file(team: Team) -> None:
    growth = grow(team, messages=20_000)

    assert growth.left == KEEP
    assert growth.file < 8 * 2**20
    assert growth.wal < 16 * 2**20
    assert growth.last_wal == 0
