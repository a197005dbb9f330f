"""Messages for idle teammates of a session: put where Claude Code reads, once, and unread until the teammate acts."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from teamsup.claude_code.native_inbox import NativeInboxes, is_wanted
from teamsup.claude_code.native_teammates import NATIVE_INBOX
from teamsup.claude_code.participants import Participants
from teamsup.hub import MessageHub, Team
from teamsup.hub.engines.process_identity import identity_of
from teamsup.hub.models import WakeStep

Join = Callable[..., MessageHub]


@pytest.fixture
def inbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The mailbox of scout, a teammate inside the session of this process."""
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / ".claude"))
    folder = tmp_path / ".claude" / "teams" / "session-1"
    folder.mkdir(parents=True)
    process = {"pid": os.getpid(), "procStart": identity_of(os.getpid()).rpartition(" ")[2]}
    names = {"chief": "team-lead", "scout": "Scout", "lead": "lead"}
    members = [
        {"agentId": name, "name": name, "agentType": kind, "backendType": "in-process"} for name, kind in names.items()
    ]
    config = {"leadAgentId": "chief", "leadProcess": process, "members": members}
    (folder / "config.json").write_text(json.dumps(config))
    return folder / "inboxes" / "scout.json"


@pytest.fixture
def session(join: Join) -> Iterator[NativeInboxes]:
    inboxes = NativeInboxes(Participants(join("lead")), os.getpid())
    yield inboxes
    inboxes.close()


def texts(inbox: Path) -> list[str]:
    return [entry["text"].splitlines()[1] for entry in json.loads(inbox.read_text())] if inbox.exists() else []


def test_a_message_for_an_idle_teammate_is_put_there_once_and_stays_unread(
    inbox: Path, session: NativeInboxes, join: Join
) -> None:
    user = join("user")
    user.enroll("scout")
    user.send("scout", "how is the load?")
    user.send("lead", "and you?")
    assert session.deliver() == ""
    assert session.deliver() == ""
    assert texts(inbox) == ["how is the load?"]
    assert os.listdir(inbox.parent) == ["scout.json"]
    assert user.queries.trace("#1")[0].read_at is None

    # Claude Code has passed it on, and the teammate begins a turn.
    inbox.write_text("[]")
    scout = join("scout")
    scout.wake_ladder.reset_wake_steps()
    user.send("scout", "and the disk?")
    assert session.deliver() == ""
    assert texts(inbox) == ["and the disk?"]


def test_a_name_that_the_team_does_not_know_gets_nothing(inbox: Path, session: NativeInboxes) -> None:
    assert session.deliver() == ""
    assert not inbox.parent.exists()


def test_the_hub_of_a_teammate_that_has_ended_is_closed(
    inbox: Path, session: NativeInboxes, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = join("user")
    user.enroll("scout")
    user.send("scout", "how is the load?")
    session.deliver()
    closed, close = [], MessageHub.close

    def close_known(hub: MessageHub) -> None:
        closed.append(hub.agent)
        close(hub)

    monkeypatch.setattr(MessageHub, "close", close_known)
    session.deliver()
    assert closed == []
    shutil.rmtree(inbox.parents[1])
    session.deliver()
    assert closed == ["scout"]


def test_only_hooks_announce_in_a_turn(inbox: Path, session: NativeInboxes, join: Join) -> None:
    user, scout = join("user"), join("scout")
    scout.heartbeat("online", pid=1, in_turn=True)
    user.send("scout", "how is the load?")
    assert session.deliver() == ""
    assert not inbox.exists()
    scout.heartbeat("online", pid=1)
    assert session.deliver() == ""
    assert texts(inbox) == ["how is the load?"]


def test_a_message_that_cannot_be_put_there_waits_and_is_tried_again(
    inbox: Path, session: NativeInboxes, join: Join
) -> None:
    user, scout = join("user"), join("scout")
    user.send("scout", "how is the load?")
    inbox.parent.mkdir()
    inbox.write_text("half")
    assert session.deliver() == f"{inbox} is not JSON"
    assert inbox.read_text() == "half"
    assert scout.wait(0, step=WakeStep.WOKEN)
    inbox.unlink()
    assert session.deliver() == ""
    assert texts(inbox) == ["how is the load?"]


@pytest.mark.parametrize(
    ("toml", "wanted"),
    [
        (None, False),
        ("[team]\nnative_inbox = true\n", True),
        ("[team]\nnative_inbox = false\n", False),
        ("team = 1\n", False),
        ("[team", False),
    ],
)
def test_only_a_team_that_wants_it_has_it(team: Team, join: Join, toml: str | None, *, wanted: bool) -> None:
    hub = join("lead")
    if toml is not None:
        team.configuration.write_text(toml)
    assert is_wanted(hub) is wanted


async def test_a_trouble_that_lasts_is_in_the_presence_until_it_ends(
    session: NativeInboxes, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = join("user")

    def shown() -> object:
        lead = user.find_agent("lead")
        return None if lead is None else lead.metadata.get(NATIVE_INBOX)

    await session.report("it is locked")
    assert shown() is None
    monkeypatch.setattr("teamsup.claude_code.native_inbox.STALE_LOCK_SECONDS", 0.0)
    await session.report("it is locked")
    assert shown() == "it is locked"
    await session.report("")
    assert shown() is None
