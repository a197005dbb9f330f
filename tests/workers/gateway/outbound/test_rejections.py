"""Messages that Discord refuses: what may pass is retried; any other refusal is final, and the sender gets an error."""

from collections.abc import Callable

import pytest

from fake_discord import ANN, CHANNEL, FakeDiscord, Permission
from helpers.gateway_process import (
    ALLOW_ANN,
    gateway_with_hub,
    next_delivery,
    outcome_of,
    read_messages,
    running_gateway,
    send_to_gateway,
    wait_for_outcome,
    wait_until,
    wait_until_sent,
)
from helpers.support import run_foreign_sql
from teamsup.hub import MessageHub, Team
from teamsup.workers.gateway.outbound.rejections import ChannelRejections, RejectionAction, decide_action
from teamsup.workers.gateway.rest_errors import Defer, Reject

Join = Callable[..., MessageHub]
SAYING = f"POST /channels/{CHANNEL}/messages"
IMPATIENT = ALLOW_ANN + "refused_seconds = 0\n"
LATER, NEVER = Defer(1.0, "no"), Reject("no")
FILES = Defer(1.0, "no", may_pass_without_files=True)
LOCKED = Reject("no", is_channel_wide=True)


@pytest.mark.parametrize(
    ("refusal", "how", "step"),
    [
        (LATER, {}, RejectionAction.DEFER),
        (LATER, {"is_late": True}, RejectionAction.GIVE_UP),
        (LATER, {"is_gone": True}, RejectionAction.GIVE_UP),
        (NEVER, {}, RejectionAction.GIVE_UP),
        (FILES, {"has_files": True}, RejectionAction.DEFER),
        (FILES, {"has_files": True, "is_late": True}, RejectionAction.DROP_FILES),
        (FILES, {"has_files": True, "may_only_write": True}, RejectionAction.DROP_FILES),
        (FILES, {"may_only_write": True}, RejectionAction.DEFER),
        (Reject("no", may_pass_without_files=True), {"has_files": True}, RejectionAction.DROP_FILES),
        (Reject("no", may_pass_without_files=True), {}, RejectionAction.GIVE_UP),
        (LATER, {"is_late": True, "waits_on": True}, RejectionAction.DEFER),
        (LOCKED, {"waits_on": True}, RejectionAction.DEFER),
        (LOCKED, {}, RejectionAction.GIVE_UP),
        (NEVER, {"waits_on": True}, RejectionAction.GIVE_UP),
    ],
)
def test_the_outcome_of_a_refused_answer(refusal: Defer | Reject, how: dict[str, bool], step: RejectionAction) -> None:
    facts = dict.fromkeys(("is_late", "is_gone", "has_files", "may_only_write", "waits_on"), False) | how
    assert decide_action(refusal, **facts) is step


def test_refusals_of_one_row_are_counted_from_the_first() -> None:
    now = [0.0]
    refusing = ChannelRejections(lambda: now[0])
    found = []
    for at in (0, 10, 310, 611, 620):
        now[0] = at
        found.append(refusing.record_rejection(1, "no"))
    assert found == [0, 10, 310, 0, 9]
    assert (refusing[1].reason, refusing.get(2)) == ("no", None)
    del refusing[1]
    assert refusing.seconds_rejecting(1) == 0


@pytest.mark.slow
async def test_a_time_out_of_the_bot_holds_up_its_answers_and_loses_none(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        await discord.time_out(3600)
        first, second = send_to_gateway(user_comm, "one"), send_to_gateway(user_comm, "two")
        direct = await discord.open_dm()
        await wait_until_sent(user_comm, send_to_gateway(user_comm, "elsewhere", direct))
        await _refused(discord, 403)
        assert [outcome_of(user_comm, message) for message in (first, second)] == [None, None]
        await discord.advance(3601)
        await wait_until_sent(user_comm, first, second)
        assert await discord.said() == ["one", "two"]


@pytest.mark.slow
async def test_rights_that_come_back_bring_the_answer_with_its_files(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        (team.folder / "files").mkdir(exist_ok=True)
        team.folder.joinpath("files", "a.txt").write_text("a")
        await discord.forbid(CHANNEL, Permission.VIEW_CHANNEL)
        message = send_to_gateway(user_comm, "See this", metadata={"files": ["files/a.txt"]})
        await _refused(discord, 403)
        await discord.forbid(CHANNEL)
        await wait_until_sent(user_comm, message)
        (said,) = await discord.messages()
        assert [each.filename for each in said.attachments] == ["a.txt"]


@pytest.mark.slow
async def test_a_person_whose_channel_has_lost_its_rights_is_notified_directly(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join, toml=IMPATIENT) as (discord, user_comm):
        await discord.say("How is it?")
        asked = await next_delivery(user_comm)
        await discord.forbid(CHANNEL, Permission.SEND_MESSAGES)
        answer = user_comm.reply(asked, "Well")
        await wait_for_outcome(user_comm, answer, "refused: Missing Permissions")
        (told,) = await read_messages(user_comm, 1)
        assert (told.message_type, told.reply_to) == ("error", answer.message_id)
        direct = await discord.open_dm()
        await wait_until(lambda: discord.world.channels[direct].messages, "the person gets a notice")
        (said,) = await discord.said(direct)
        assert f"<#{CHANNEL}>: Missing Permissions. It is kept as message #{answer.id}." in said


@pytest.mark.slow
async def test_a_message_that_automod_blocks_is_replaced_by_a_notice(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        await discord.set_rule("blocked_words", ("secret",))
        asked = await discord.say("What is it?")
        answer = user_comm.reply(await next_delivery(user_comm), "the secret")
        why = "Message was blocked by automatic moderation"
        await wait_for_outcome(user_comm, answer, f"refused: {why}")
        text = f"Discord did not accept the answer to this: {why}. It is kept as message #{answer.id}."
        await discord.until_said([text])
        assert (await discord.messages())[-1].reference.message == asked  # type: ignore[union-attr]
        (told,) = await read_messages(user_comm, 1)
        assert why in told.content


@pytest.mark.slow
async def test_a_locked_thread_is_reported_in_its_channel(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        thread = await discord.open_thread("aside")
        await discord.say("How is it?", channel=thread)
        asked = await next_delivery(user_comm)
        await discord.forbid(CHANNEL, Permission.MANAGE_THREADS)
        await discord.archive(thread, locked=True)
        answer = user_comm.reply(asked, "Well")
        await wait_for_outcome(user_comm, answer, "refused: Thread is locked")
        await discord.until(lambda: discord.world.channels[CHANNEL].messages, "it is told")
        await wait_until(
            lambda: _last(discord).startswith(f"Discord did not accept an answer in <#{thread}>"), "it is told"
        )


@pytest.mark.slow
async def test_a_person_without_direct_messages_is_notified_by_the_team(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join, toml=IMPATIENT) as (discord, user_comm):
        await discord.say("How is it?")
        asked = await next_delivery(user_comm)
        await discord.close_dms()
        await discord.forbid(CHANNEL, Permission.SEND_MESSAGES)
        answer = user_comm.reply(asked, "Well")
        error, news = sorted(await read_messages(user_comm, 2), key=lambda message: message.message_type)
        assert (error.message_type, news.message_type) == ("error", "notification")
        assert f"It is kept as message #{answer.id}. Tell user {ANN}" in news.content


@pytest.mark.slow
async def test_a_channel_that_is_gone_is_looked_for_once_and_ends_the_answer(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        gone = send_to_gateway(user_comm, "Hello", 12345)
        await wait_for_outcome(user_comm, gone, "refused: Unknown Channel")
        assert len(await discord.requests("GET", "/channels/12345")) == 1
        (told,) = await read_messages(user_comm, 1)
        assert (told.message_type, told.reply_to) == ("error", gone.message_id)


@pytest.mark.slow
async def test_a_home_channel_that_refuses_keeps_the_announcements_and_degrades_the_gateway(
    team: Team, join: Join
) -> None:
    toml = IMPATIENT + f"home_channel = {CHANNEL}\n"
    async with gateway_with_hub(team, join, toml=toml) as (discord, user_comm):
        await discord.forbid(CHANNEL, Permission.SEND_MESSAGES)
        news = [user_comm.send("gateway", text, message_type="notification") for text in ("one", "two")]
        await wait_until(lambda: _status(user_comm) == "degraded", "it is degraded")
        reason = user_comm.find_agent("gateway").metadata["reason"]  # type: ignore[union-attr]
        assert (
            reason
            == f"Discord refuses messages in the home channel {CHANNEL}: Missing Permissions. Let the bot write there."
        )
        await discord.forbid(CHANNEL)
        await wait_until_sent(user_comm, *news)
        assert await discord.said() == ["one", "two"]
        await wait_until(lambda: _status(user_comm) == "online", "it is well again")


@pytest.mark.slow
@pytest.mark.parametrize("why", ["Unknown Channel", "Missing Permissions"])
async def test_a_home_channel_that_would_refuse_is_noticed_before_any_announcement(
    team: Team, join: Join, why: str
) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord:
        await discord.forbid(CHANNEL, Permission.SEND_MESSAGES)
        home = 12345 if why == "Unknown Channel" else CHANNEL
        async with running_gateway(team, discord, ALLOW_ANN + f"home_channel = {home}\n"):
            await wait_until(lambda: _status(user_comm) == "degraded", "it is degraded")
            assert why in user_comm.find_agent("gateway").metadata["reason"]  # type: ignore[union-attr]


@pytest.mark.slow
async def test_refused_progress_is_not_reported(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        await discord.set_rule("blocked_words", ("secret",))
        await discord.say("What is it?")
        asked = await next_delivery(user_comm)
        progress = user_comm.answer(asked.message, "near the secret", message_type="status_report")
        # Progress gives way to an answer that waits, so the answer comes after the refusal.
        await wait_until(lambda: (outcome_of(user_comm, progress) or "").startswith("refused"), "it is refused")
        await wait_until_sent(user_comm, user_comm.reply(asked, "It is well"))
        assert await discord.said() == ["It is well"]


@pytest.mark.slow
async def test_a_notice_is_not_sent_twice(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        await discord.set_rule("blocked_words", ("Discord", "secret"))
        direct = await discord.open_dm()
        await discord.say("What is it?")
        user_comm.reply(await next_delivery(user_comm), "the secret")
        await discord.until(lambda: discord.world.channels[direct].messages, "the person gets a notice")
        assert await discord.said() == []
        assert len(await discord.said(direct)) == 1
        rows = run_foreign_sql(team, "SELECT content FROM messages WHERE sender = recipient")
        assert len(rows) == 2


async def _refused(discord: FakeDiscord, status: int) -> None:
    await discord.until(lambda: any(each.status == status for each in discord.rest.requests), "it was refused")


def _last(discord: FakeDiscord) -> str:
    return list(discord.world.channels[CHANNEL].messages.values())[-1].content


def _status(hub: MessageHub) -> str:
    found = hub.find_agent("gateway")
    return "" if found is None else found.status
