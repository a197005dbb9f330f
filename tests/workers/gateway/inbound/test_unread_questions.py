"""A question that user_comm does not read: its author gets one notice on Discord."""

from collections.abc import Callable

import pytest

from fake_discord import ANN
from helpers.gateway_process import ALLOW_ANN, gateway_with_hub, next_delivery
from teamsup.hub import MessageHub, Team
from teamsup.workers.gateway.inbound.unread_questions import UnreadQuestions

Join = Callable[..., MessageHub]


@pytest.mark.slow
async def test_a_person_who_asks_while_user_comm_does_not_read_is_notified_and_then_answered(
    team: Team, join: Join
) -> None:
    toml = "[team]\nunread_seconds = 1\n" + ALLOW_ANN
    async with gateway_with_hub(team, join, toml=toml) as (discord, user_comm):
        user_comm.register("daemon")
        user_comm.maintenance.mark_offline("user_comm")
        direct = await discord.open_dm(ANN)
        await discord.say("one")
        asked = await discord.say("two")
        await discord.say("directly", channel=direct)
        told = "user_comm has not read this yet: it is offline, last seen just now. Your message is kept."
        await discord.until_said([told])
        await discord.until_said([told], direct)
        assert (await discord.messages())[-1].reference.message == asked  # type: ignore[union-attr]
        user_comm.reply(await next_delivery(user_comm), "well")
        await discord.until_said([told, "well"])


def test_a_notice_is_sent_once_and_only_for_an_unread_question(join: Join) -> None:
    user_comm, gateway = join("user_comm"), join("gateway")
    user_comm.register("daemon")
    unheard = UnreadQuestions(gateway, 0)
    gateway.send("user_comm", "passed over", message_type="notification", conversation_id="discord:1")
    gateway.send("user_comm", "at a terminal", conversation_id="console-ann:1")
    gateway.send("user_comm", "read", conversation_id="discord:2")
    user_comm.claim(10)
    unheard.notify_authors()
    assert gateway.claim(10) == []
    question = gateway.send("user_comm", "unread", conversation_id="discord:3")
    for _ in range(2):
        unheard.notify_authors()
    (told,) = gateway.claim(10)
    assert (told.message.reply_to, told.message.message_type) == (question.message_id, "status_report")
