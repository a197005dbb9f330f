"""Messages: sent once, split, read again, changed."""

import asyncio
from typing import Any

import aiohttp
import discord as library
import pytest

from fake_discord import ANN, BOB, BOT, CHANNEL, DiscordRules, FakeDiscord, Permission, RateLimit
from fake_discord.bots import Bot, running


async def refused(sending: Any) -> tuple[int, int]:  # noqa: ANN401 - a coroutine
    """The status and Discord's code."""
    with pytest.raises(library.HTTPException) as refusal:
        await sending
    return refusal.value.status, refusal.value.code


async def test_a_text_that_is_too_long_or_empty_is_refused(discord: FakeDiscord, bot: Bot) -> None:
    place = bot.place(CHANNEL)
    await place.send("x" * 2000)
    assert await refused(place.send("x" * 2001)) == (400, 50035)
    assert await refused(place.send("👋" * 1001)) == (400, 50035)
    assert await refused(place.send("hi", nonce="n" * 26)) == (400, 50035)
    assert await refused(place.send(" \n ")) == (400, 50006)
    assert await refused(place.send(embed=library.Embed(description="x" * 4097))) == (400, 50035)
    assert await refused(place.send(embed=library.Embed(title="x" * 257))) == (400, 50035)
    big = library.Embed(description="x" * 4096)
    assert await refused(place.send(embeds=[big, big])) == (400, 50035)
    assert await refused(bot.place(1).send("hi")) == (404, 10003)
    assert len(await discord.messages()) == 1


async def test_a_nonce_gives_one_message_for_a_few_minutes(discord: FakeDiscord, bot: Bot) -> None:
    place = bot.place(CHANNEL)
    first = await place.send("hello", nonce="n1")
    again = await place.send("hello", nonce="n1")
    assert again.id == first.id
    assert again.nonce is None or again.nonce == "n1"

    await discord.advance(301)
    assert (await place.send("hello", nonce="n1")).id != first.id
    assert await discord.said() == ["hello", "hello"]
    await bot.hears("message", 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "done"), [("lost reply", True), ("503 after", True), ("503 before", False), ("reset", False)]
)
async def test_after_a_fault_the_same_nonce_makes_it_one_message(
    discord: FakeDiscord,
    bot: Bot,
    fault: Any,  # noqa: ANN401 - a literal
    done: bool,
) -> None:
    discord.faults.add(fault, "POST /channels/*/messages")
    with pytest.raises((aiohttp.ClientError, OSError, library.DiscordServerError)):
        await bot.place(CHANNEL).send("hello", nonce="n1")
    assert await discord.said() == (["hello"] if done else [])

    await bot.place(CHANNEL).send("hello", nonce="n1")
    assert await discord.said() == ["hello"]


async def test_discord_py_waits_out_a_429_and_takes_one_without_via_for_a_ban(discord: FakeDiscord, bot: Bot) -> None:
    discord.faults.add("429", "POST /channels/*/messages", times=2, seconds=0.05)
    await bot.place(CHANNEL).send("hello")
    assert [each.status for each in await discord.requests("POST", "/messages")] == [429, 429, 200]

    discord.faults.add("cloudflare ban", "POST /channels/*/messages")
    assert await refused(bot.place(CHANNEL).send("hello")) == (429, 0)


@pytest.mark.parametrize("rules", [DiscordRules(limits={"POST /channels/*/messages": RateLimit(4, 0.2)})])
async def test_limits_stand_in_the_headers_so_that_nobody_runs_into_them(discord: FakeDiscord, bot: Bot) -> None:
    place = bot.place(CHANNEL)
    await asyncio.gather(*(place.send(str(number)) for number in range(9)))
    assert {each.status for each in await discord.requests("POST", "/messages")} == {200}
    assert sorted(await discord.said()) == list("012345678")

    discord.rules.limits["POST /channels/*/messages"] = RateLimit(4, 30.0)
    path = f"{discord.url}/api/v10/channels/{CHANNEL}/messages"
    login = {"Authorization": f"Bot {discord.rules.token}"}
    async with aiohttp.ClientSession(headers=login) as session:
        answers = [await session.post(path, json={"content": "now"}) for _ in range(5)]
        last = answers[-1]
        assert last.status == 429
        assert {"Via", "Retry-After", "X-RateLimit-Reset-After"} <= set(last.headers)
        assert 0 < (await last.json())["retry_after"] <= 30


async def test_history_comes_in_pages_of_a_hundred(discord: FakeDiscord, bot: Bot) -> None:
    numbers = [await discord.say(str(number)) for number in range(250)]
    place = bot.place(CHANNEL)

    everything = [message.content async for message in place.history(limit=None, oldest_first=True)]
    assert everything == [str(number) for number in range(250)]
    after = [each.id async for each in place.history(limit=None, after=library.Object(numbers[99]))]
    assert after == numbers[100:]
    before = [each.id async for each in place.history(limit=3, before=library.Object(numbers[99]))]
    assert before == numbers[98:95:-1]
    around = [each.id async for each in place.history(limit=3, around=library.Object(numbers[99]))]
    assert sorted(around) == numbers[98:101]
    assert await refused(bot.http.logs_from(CHANNEL, 101)) == (400, 50035)


async def test_edits_and_deletions_are_reported_and_a_preview_is_not_an_edit(discord: FakeDiscord, bot: Bot) -> None:
    number = await discord.say("see https://example.com")
    await discord.preview_link(number)
    preview = await bot.hears("raw_message_edit")
    assert preview.message.edited_at is None
    assert preview.message.embeds

    await discord.edit(number, "never mind")
    edit = await bot.hears("raw_message_edit", 2)
    assert edit.message.content == "never mind"
    assert edit.message.edited_at is not None

    await discord.delete(number)
    assert (await bot.hears("raw_message_delete")).message_id == number
    many = [await discord.say("spam") for _ in range(3)]
    await discord.delete_many(many)
    assert (await bot.hears("raw_bulk_message_delete")).message_ids == set(many)
    assert await refused(bot.place(CHANNEL).fetch_message(number)) == (404, 10008)


async def test_a_bot_changes_only_its_own_messages(discord: FakeDiscord, bot: Bot) -> None:
    place = bot.place(CHANNEL)
    own = await place.send("thinking")
    await own.edit(content="done")
    message = await discord.message(own.id)
    assert (message.content, message.versions) == ("done", ["thinking"])
    assert await refused(own.edit(content="x" * 2001)) == (400, 50035)

    other = place.get_partial_message(await discord.say("mine"))
    assert await refused(other.edit(content="yours")) == (403, 50005)
    assert await refused(other.delete()) == (403, 50013)
    await own.delete()
    assert await discord.said() == []


async def test_reactions_are_added_listed_and_taken_away(discord: FakeDiscord, bot: Bot) -> None:
    number = await discord.say("Hello")
    message = await bot.place(CHANNEL).fetch_message(number)
    await message.add_reaction("👀")
    await message.add_reaction("⚙️")
    await message.remove_reaction("👀", library.Object(BOT))
    await discord.react(number, "👍", user=BOB)
    assert await discord.reactions(number) == ["⚙️"]
    assert (await discord.message(number)).reactions == {"⚙️": [BOT], "👍": [BOB]}

    seen = await bot.place(CHANNEL).fetch_message(number)
    assert [reaction.emoji for reaction in seen.reactions if reaction.me] == ["⚙️"]
    assert [user.id async for user in seen.reactions[1].users()] == [BOB]
    added = await bot.hears("raw_reaction_add", 3)
    assert (added.user_id, str(added.emoji), added.message_id) == (BOB, "👍", number)
    assert await refused(message.add_reaction("nonsense")) == (400, 10014)


async def test_typing_is_shown_for_ten_seconds_or_until_the_message_comes(discord: FakeDiscord, bot: Bot) -> None:
    await bot.place(CHANNEL).typing()
    assert await discord.is_typing()
    await discord.advance(11)
    assert not await discord.is_typing()
    async with bot.place(CHANNEL).typing():
        assert await discord.is_typing()
        await bot.place(CHANNEL).send("done")
    assert not await discord.is_typing()
    assert len(await discord.typing()) == 2


async def test_replies_quote_what_is_there_and_refuse_what_is_not(discord: FakeDiscord, bot: Bot) -> None:
    asked = await discord.say("Hello")
    place = bot.place(CHANNEL)
    there = library.MessageReference(message_id=asked, channel_id=CHANNEL)
    answer = await place.send("Hi", reference=there, mention_author=False)
    assert answer.type is library.MessageType.reply
    assert not (await discord.message(answer.id)).pings
    assert (await discord.message((await place.send("Hi", reference=there)).id)).mentions == [ANN]

    await discord.delete(asked)
    gone = library.MessageReference(message_id=asked, channel_id=CHANNEL)
    assert await refused(place.send("Hi", reference=gone)) == (400, 50035)
    gone.fail_if_not_exists = False
    assert (await place.send("Hi", reference=gone)).reference is None

    followed = await discord.say("and?", reply_to=answer.id)
    quoted = (await place.fetch_message(followed)).reference
    assert quoted is not None
    assert isinstance(quoted.resolved, library.Message)
    assert quoted.resolved.content == "Hi"


async def test_the_mentioned_users_are_known(discord: FakeDiscord, bot: Bot) -> None:
    place, text = bot.place(CHANNEL), f"@everyone <@{ANN}>"
    loud = await discord.message((await place.send(text)).id)
    assert (loud.mention_everyone, loud.mentions) == (True, [ANN])
    nobody = library.AllowedMentions.none()
    quiet = await discord.message((await place.send(text, allowed_mentions=nobody)).id)
    assert not quiet.pings


async def test_white_space_around_a_message_is_lost(bot: Bot) -> None:
    assert (await bot.place(CHANNEL).send("\n    indented\n")).content == "indented"


async def test_a_forbidden_action_in_a_channel_is_refused(discord: FakeDiscord, bot: Bot) -> None:
    quiet, hidden = await discord.add_channel("quiet"), await discord.add_channel("hidden")
    await discord.forbid(quiet, Permission.SEND_MESSAGES, Permission.ADD_REACTIONS, Permission.READ_MESSAGE_HISTORY)
    await discord.forbid(hidden, Permission.VIEW_CHANNEL)
    number = await discord.say("listen", channel=quiet)
    await discord.say("secret", channel=hidden)

    assert await bot.texts(until="listen") == ["listen"]
    assert await refused(bot.place(quiet).send("hi")) == (403, 50013)
    message = bot.place(quiet).get_partial_message(number)
    assert await refused(message.add_reaction("👀")) == (403, 50013)
    assert [each async for each in bot.place(quiet).history()] == []
    assert await refused(bot.place(hidden).send("hi")) == (403, 50001)
    await bot.hears("guild_channel_update", 2)
    channel = bot.get_channel(quiet)
    assert isinstance(channel, library.TextChannel)
    assert not channel.permissions_for(channel.guild.me).send_messages


async def test_time_can_begin_in_the_past() -> None:
    async with FakeDiscord(ago=3600) as discord, running(Bot(discord)) as bot:
        await discord.say("an hour ago")
        await discord.advance(3600)
        await discord.say("now")
        await bot.texts(until="now")
        old, new = bot.all("message")
        assert 3590 < (new.created_at - old.created_at).total_seconds() < 3610
        assert abs((library.utils.utcnow() - new.created_at).total_seconds()) < 10


async def test_requests_that_make_no_sense_are_refused_at_once(discord: FakeDiscord) -> None:
    login = {"Authorization": f"Bot {discord.rules.token}"}
    async with aiohttp.ClientSession(discord.url, headers=login) as session:
        path = f"/api/v10/channels/{CHANNEL}/messages"
        assert (await session.post(path, data=b"{")).status == 400
        assert (await session.post(path, json=["a list"])).status == 400
        assert (await session.post(path, json={"content": {"not": "text"}})).status == 400
        assert (await session.get("/api/v10/nowhere")).status == 404
        assert (await session.get(path, headers={"Authorization": "Bot other"})).status == 401
        assert not await discord.messages()
