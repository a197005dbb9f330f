"""Which teammates are inside a session, and what is put into the mailbox that Claude Code reads for one."""

import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from teamsup.claude_code.native_teammates import (
    STALE_LOCK_SECONDS,
    Teammate,
    UnusableInbox,
    find_teammates,
    parse_teammates,
    put_messages,
)
from teamsup.hub.models import Message

CLAUDE, STARTED = 4711, "99"
FOLDER = Path("/home/ann/.claude/teams/session-1")
LEAD = {"agentId": "team-lead@session-1", "name": "team-lead", "agentType": "team-lead", "backendType": "in-process"}


def member(kind: str = "teamsup:gcp-monitor", name: str = "gcp-monitor", backend: str = "in-process") -> dict[str, str]:
    return {"agentId": f"{name}@session-1", "name": name, "agentType": kind, "backendType": backend}


def config(*members: object, pid: object = CLAUDE, started: str = STARTED) -> dict[str, Any]:
    process = {"pid": pid, "pidSpace": "host#pid:[1]", "claimedAt": 1, "procStart": started}
    return {"leadAgentId": LEAD["agentId"], "leadProcess": process, "members": [LEAD, *members], "later": True}


FOUND: list[tuple[object, list[tuple[str, str]]]] = [
    (config(), []),
    (config(member()), [("gcp-monitor", "gcp-monitor.json")]),
    (config(member("Scout", "../scout no. 1")), [("scout", "---scout-no--1.json")]),
    (config(member(backend="tmux")), []),
    (config(member(), pid=CLAUDE + 1), []),
    (config(member(), started="98"), []),
    (config(member(), {"name": 5}, "x", None), [("gcp-monitor", "gcp-monitor.json")]),
    (config(member(), pid="4711"), []),
    ({"leadProcess": None, "leadAgentId": "x", "members": [member()]}, []),
    ({"members": 1}, []),
    ([], []),
    (None, []),
]


@pytest.mark.parametrize(("content", "expected"), FOUND)
def test_a_teammate_is_a_member_inside_the_session_of_that_process(
    content: object, expected: list[tuple[str, str]]
) -> None:
    found = list(parse_teammates(content, FOLDER, CLAUDE, STARTED))
    assert found == [Teammate(agent, FOLDER / "inboxes" / file) for agent, file in expected]


def test_only_teams_of_a_live_session_count(tmp_path: Path) -> None:
    for name, text in (("a", "{"), ("b", json.dumps(config(member(), pid=os.getpid(), started="1"))), ("c", "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(text)
    assert find_teammates(tmp_path, os.getpid()) == []
    assert find_teammates(tmp_path / "missing", os.getpid()) == []


def message(number: int = 1, content: str = "how is the load?") -> Message:
    return Message(number, f"id-{number}", "scout", "gcp-monitor", content, created_at=datetime.now(UTC))


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "session-1").mkdir()
    return tmp_path / "session-1" / "inboxes" / "gcp-monitor.json"


def test_a_message_is_put_there_once_as_data_with_its_origin(inbox: Path) -> None:
    put_messages(inbox, [message()])
    put_messages(inbox, [message(), message(2)])
    first, second = json.loads(inbox.read_text())
    assert (first["from"], first["read"], second["teamsup_message_id"]) == ("teamsup", False, "id-2")
    assert "#1 from scout, just now>\nhow is the load?\n</message " in first["text"]
    assert 'team_send_message(reply_to="#1")' in first["text"]
    assert datetime.fromisoformat(first["timestamp"]).tzinfo is not None
    assert os.listdir(inbox.parent) == ["gcp-monitor.json"]


def test_entries_of_others_are_kept_with_unknown_fields(inbox: Path) -> None:
    inbox.parent.mkdir()
    theirs = [
        {"from": "team-lead", "text": "half \ud83d", "msg_id": "m1", "lead_sig": "s", "new": {"a": [1.5, None]}},
        7,
    ]
    inbox.write_text(json.dumps(theirs))
    inbox.chmod(0o644)
    put_messages(inbox, [message()])
    assert json.loads(inbox.read_text())[:2] == theirs
    assert stat.S_IMODE(inbox.stat().st_mode) == 0o644


@pytest.mark.parametrize("content", ["", "{}", "[1, ", "null", "\ud800"])
def test_a_file_that_is_no_mailbox_is_left_as_it_is(inbox: Path, content: str) -> None:
    inbox.parent.mkdir()
    inbox.write_bytes(content.encode(errors="surrogatepass"))
    with pytest.raises(UnusableInbox, match="is not"):
        put_messages(inbox, [message()])
    assert inbox.read_bytes() == content.encode(errors="surrogatepass")
    assert os.listdir(inbox.parent) == ["gcp-monitor.json"]


def test_a_link_is_not_followed(inbox: Path, tmp_path: Path) -> None:
    inbox.parent.mkdir()
    (tmp_path / "other").write_text("[]")
    inbox.symlink_to(tmp_path / "other")
    with pytest.raises(UnusableInbox, match="is not a file"):
        put_messages(inbox, [message()])
    assert (tmp_path / "other").read_text() == "[]"


def test_nothing_is_written_while_another_process_has_the_lock(inbox: Path) -> None:
    lock = inbox.with_name("gcp-monitor.json.lock")
    lock.mkdir(parents=True)
    with pytest.raises(UnusableInbox, match="is locked"):
        put_messages(inbox, [message()])
    assert not inbox.exists()
    assert lock.is_dir()


def test_the_lock_of_a_process_that_has_ended_is_taken(inbox: Path) -> None:
    lock = inbox.with_name("gcp-monitor.json.lock")
    lock.mkdir(parents=True)
    past = datetime.now(UTC).timestamp() - STALE_LOCK_SECONDS
    os.utime(lock, (past, past))
    put_messages(inbox, [message()])
    assert len(json.loads(inbox.read_text())) == 1
    assert not lock.exists()


def test_no_folder_is_made_for_a_team_that_has_gone(inbox: Path) -> None:
    inbox.parent.parent.rmdir()
    with pytest.raises(UnusableInbox, match="cannot be written: No such file"):
        put_messages(inbox, [message()])
    assert not inbox.parent.parent.exists()
