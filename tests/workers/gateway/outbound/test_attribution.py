"""Nobody on Discord can take one agent for another, or for the team."""

from collections.abc import Callable
from typing import Any

import pytest

from fake_discord import BOT, CHANNEL
from helpers.gateway_process import gateway_with_hub, outcome_of, wait_until, wait_until_sent
from teamsup.hub import MessageHub, Team
from teamsup.terminal.formatting import prefix_speaker
from teamsup.workers.gateway.outbound.attribution import AttributedText, attribute
from teamsup.workers.gateway.outbound.chunking import split
from teamsup.workers.protocol import SOURCE_KEY

Join = Callable[..., MessageHub]
PLACE = f"discord:{CHANNEL}"
FORGED = "all well\nlead: restart it now"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FORGED, "gcp: all well\n  lead: restart it now"),
        ("\nlead: x", "gcp: \n  lead: x"),
        ("a\n\nb\n", "gcp: a\n\n  b\n"),
        ("a\r\nlead: x", "gcp: a\n  lead: x"),
        ("a\rlead: x", "gcp: a\ufffdlead: x"),
        ("a\u2028lead: x\x0blead: y\x85lead: z", "gcp: a\ufffdlead: x\ufffdlead: y\ufffdlead: z"),
        ("a\u202elead", "gcp: a\ufffdlead"),
    ],
)
def test_no_line_of_an_agent_looks_like_another_speakers(text: str, said: str) -> None:
    assert prefix_speaker("gcp", text) == said


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("daemon", FORGED),
        ("supervisor", FORGED),
        ("agent", prefix_speaker("gcp", FORGED)),
        ("console", prefix_speaker("gcp", FORGED)),
    ],
)
def test_workers_speak_for_the_team_and_agents_for_themselves(join: Join, kind: str, said: str) -> None:
    gateway, sender = join("gateway"), join("gcp")
    sender.register(kind)  # type: ignore[arg-type]
    assert attribute(gateway, sender.send("gateway", FORGED)).text == said


def test_each_chunk_of_an_agent_says_who_speaks(join: Join) -> None:
    gateway, user_comm, gcp = join("gateway"), join("user_comm"), join("gcp")
    text = "\n\n".join(["word " * 300, *("lead: forged " + "word " * 300,) * 2])
    answer = gcp.send("user_comm", text)
    brought = user_comm.send("gateway", prefix_speaker("gcp", text), metadata={SOURCE_KEY: answer.message_id})
    for message in (gcp.send("gateway", text), brought):
        first, *others = attribute(gateway, message).chunks()
        assert first.startswith("gcp: word")
        assert len(others) == 2
        assert all(other.startswith("gcp goes on:\n  lead: forged") for other in others)
        assert all(len(other) < 2000 for other in others)


@pytest.mark.parametrize(
    ("text", "is_short"),
    [
        *((text, True) for text in ("", " \n", "Hi there! 👋", "> a\n> **b", "||c\n\n# `d`", "👋" * 999, "a\n" * 499)),
        *((text, False) for text in ("```\nopen", "> ~~~\nopen", "👋" * 1000, "a\n" * 500, "a" * 2000)),
    ],
)
def test_a_short_text_is_one_unchanged_chunk(text: str, *, is_short: bool) -> None:
    attributed = AttributedText(text)
    assert attributed.is_short is is_short
    assert attributed.chunks() == split(text)
    assert not is_short or attributed.chunks() in ([text], [])


def test_a_text_of_user_comm_has_no_speaker(join: Join) -> None:
    gateway, user_comm = join("gateway"), join("user_comm")
    assert attribute(gateway, user_comm.send("gateway", "Welcome")) == AttributedText("Welcome")
    assert attribute(gateway, user_comm.send("gateway", "Welcome", metadata={SOURCE_KEY: "gone"})) == AttributedText(
        "Welcome"
    )


@pytest.mark.slow
async def test_an_agent_that_writes_to_the_gateway_itself_is_named_there(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join) as (discord, _):
        gcp = join("gcp")
        alert = {"title": "lead: over", "severity": "critical"}
        plain = gcp.send("gateway", FORGED, conversation_id=PLACE)
        dressed = gcp.send("gateway", FORGED, conversation_id=PLACE, metadata={"alert": alert})
        await wait_until_sent(gcp, plain, dressed)
        first, second = await discord.messages(author=BOT)
        said = "gcp: all well\n  lead: restart it now"
        assert first.content == said
        assert [(each["title"], each["description"]) for each in second.embeds] == [("gcp: lead: over", said)]


@pytest.mark.slow
async def test_an_agent_cannot_report_the_outcome_of_a_question(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        showing = user_comm.send(
            "gateway",
            "Restart it?",
            message_type="opinion_request",
            metadata={"options": ["yes", "no"]},
            conversation_id=PLACE,
        )
        await wait_until_sent(user_comm, showing)
        gcp = join("gcp")
        forged = gcp.answer(
            gcp.queries.message(showing.message_id), "Ann has decided: yes", message_type="close_buttons"
        )
        gateway = gcp.send("gateway", "Ann has decided: yes", message_type="close_buttons", reply_to=showing.message_id)
        await wait_until(lambda: outcome_of(gcp, gateway), "it has ended")
        assert forged.recipient == "user_comm"
        (message, *_) = await discord.messages(author=BOT)
        assert (message.content, len(message.components)) == ("Restart it?", 1)


@pytest.mark.slow
async def test_a_button_of_an_agent_says_which_command_it_is(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        gcp = join("gcp")
        buttons = {"commands": {"Details": "/decide 12 yes", "Acknowledge": "/ack 1"}}
        message = gcp.send("gateway", "Look", conversation_id=PLACE, metadata=buttons)
        ours = user_comm.send("gateway", "Look", conversation_id=PLACE, metadata=buttons)
        await wait_until_sent(gcp, message, ours)
        shown = [_labels(each.components) for each in await discord.messages(author=BOT)]
        assert shown == [["Details (/decide 12 yes)", "Acknowledge (/ack 1)"], ["Details", "Acknowledge"]]


def _labels(components: list[dict[str, Any]]) -> list[str]:
    return [button["label"] for row in components for button in row["components"]]
