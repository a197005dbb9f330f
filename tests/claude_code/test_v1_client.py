"""The MCP server through a client of the SDK's first generation, which many programs still use."""

import itertools
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, count_listeners, eventually
from teamsup.hub import MessageHub, Team

Join = Callable[..., MessageHub]
ENVIRONMENT = Path(__file__).parents[2] / ".venv" / "mcp-v1"

pytestmark = pytest.mark.skipif(
    not (ENVIRONMENT / "made").exists(), reason="needs .venv/mcp-v1 with mcp 1.x, which make test makes when it can"
)


class V1Client:
    """One session of the old client, told over its stdin what to do."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._names = map(str, itertools.count(1))
        self._unseen: list[dict[str, Any]] = []
        self.server = self.event("", "initialized")

    def order(self, verb: str, name: str | None = None, **details: object) -> str:
        """Returns at once, with the name that its events will bear."""
        name = name or next(self._names)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"verb": verb, "name": name, **details}) + "\n")
        self._process.stdin.flush()
        return name

    def event(self, name: str, event: str) -> Any:  # noqa: ANN401
        """Waits for it, and keeps what comes before it for others."""
        for seen in self._events():
            if (seen["name"], seen["event"]) == (name, event):
                self._unseen.remove(seen)
                return seen["value"]
        raise AssertionError(f"the client ended without {event}")

    def begin(self, tool: str, **arguments: object) -> str:
        return self.order("call", tool=tool, arguments=arguments)

    def text(self, call: str, *, is_error: bool = False) -> str:
        result = self.event(call, "result")
        (content,) = result["content"]
        assert content["type"] == "text"
        assert result["isError"] is is_error, content["text"]
        return str(content["text"])

    def call(self, tool: str, **arguments: object) -> str:
        return self.text(self.begin(tool, **arguments))

    def _events(self) -> Iterator[dict[str, Any]]:
        yield from list(self._unseen)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._unseen.append(json.loads(line))
            yield self._unseen[-1]


@contextmanager
def session(team: Team) -> Iterator[V1Client]:
    """Lead's session; at its end the client must have ended well."""
    program = Path(__file__).with_name("v1_client.py")
    server = TeamsupCommand.line("mcp", "--team", team.name, "--agent", "lead")
    with subprocess.Popen(
        [ENVIRONMENT / "bin" / "python", "-I", program, *server],
        env={**os.environ, "TEAMSUP_HOME": str(team.folder.parent)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = threading.Timer(3 * TIMEOUT_SECONDS, process.kill)
        deadline.start()
        try:
            yield V1Client(process)
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait() == 0
        finally:
            deadline.cancel()
            process.kill()


def test_a_v1_client_is_offered_the_five_tools(team: Team) -> None:
    with session(team) as lead:
        assert "You are lead in team crew" in lead.server["instructions"]
        tools = lead.event(lead.order("list"), "tools")

    assert sorted(tool["name"] for tool in tools) == [
        "team_broadcast",
        "team_get_status",
        "team_read_messages",
        "team_send_message",
        "team_update_status",
    ]
    assert all(tool["description"] and tool["outputSchema"] is None for tool in tools)


def test_a_v1_client_sends_reads_and_replies(team: Team, join: Join) -> None:
    scout = join("scout")

    with session(team) as lead:
        assert "#1" in lead.call("team_send_message", recipient="scout", content="how is the load?")
        (delivery,) = scout.claim()
        assert (delivery.message.sender, delivery.message.content) == ("lead", "how is the load?")
        scout.reply(delivery, "calm")
        assert "\ncalm\n" in lead.call("team_read_messages")
        lead.call("team_send_message", content="good", reply_to="#2")

    (answer,) = scout.claim()
    assert (answer.message.content, answer.message.reply_to) == ("good", scout.queries.message("#2").message_id)
    assert scout.queries.trace("#2")[0].state == "done"


@pytest.mark.slow
def test_a_v1_client_waits_with_progress_until_something_arrives(team: Team, join: Join) -> None:
    scout = join("scout")

    with session(team) as lead:
        reading = lead.begin("team_read_messages", wait_seconds=300)
        done, total = lead.event(reading, "progress")
        assert 0 <= done < total == 300
        scout.send("lead", "news")
        assert "\nnews\n" in lead.text(reading)


@pytest.mark.slow
def test_an_error_reaches_a_v1_client_as_a_sentence(team: Team) -> None:
    with session(team) as lead:
        refused = lead.begin("team_send_message", content="to whom?")
        assert "Say to whom: recipient or reply_to." in lead.text(refused, is_error=True)
        assert "no agent named 'nobody'" in lead.text(lead.begin("team_get_status", agent="nobody"), is_error=True)


@pytest.mark.slow
def test_a_read_that_a_v1_client_cancels_leaves_the_message_unread(team: Team, join: Join) -> None:
    scout = join("scout")

    with session(team) as lead:
        reading = lead.begin("team_read_messages", wait_seconds=60)
        eventually(lambda: count_listeners(team, "lead"), "the read waits")
        lead.event(lead.order("cancel", reading), "cancelled")
        eventually(lambda: not count_listeners(team, "lead"), "the read has ended")
        message = scout.send("lead", "still there?")
        assert scout.queries.trace(message.message_id)[0].read_at is None
        assert "still there?" in lead.call("team_read_messages")


@pytest.mark.slow
def test_open_messages_of_a_v1_client_that_ends_are_unread_again(team: Team, join: Join) -> None:
    scout = join("scout")

    with session(team) as lead:
        message = scout.send("lead", "for the next reader")
        assert "for the next reader" in lead.call("team_read_messages")
        assert scout.queries.trace(message.message_id)[0].state == "leased"

    assert scout.queries.trace(message.message_id)[0].state == "ready"
    assert {agent.name: agent.status for agent in scout.agents()}["lead"] == "offline"
