"""Threads, direct messages and files."""

import io

import discord as library
import pytest

from fake_discord import ANN, BOT, CHANNEL, GUILD, FakeDiscord, Permission
from fake_discord.bots import Bot
from fake_discord.tests.test_messages import refused

MIB = 1 << 20


async def test_a_thread_has_its_messages_number_and_begins_with_it(discord: FakeDiscord, bot: Bot) -> None:
    asked = await discord.say("Hello")
    channel = bot.get_channel(CHANNEL)
    assert isinstance(channel, library.TextChannel)
    message = await channel.fetch_message(asked)
    thread = await message.create_thread(name="About that")
    await thread.send("Let us talk here")
    await discord.say("Gladly", channel=thread.id)

    assert thread.id == asked
    assert await discord.said(thread.id) == ["Let us talk here"]
    kinds = [each.type async for each in thread.history(oldest_first=True)]
    assert kinds[0] is library.MessageType.thread_starter_message
    heard = await bot.hears("message", 4)
    assert (heard.content, heard.channel.id) == ("Gladly", thread.id)
    # That the message has a thread now is an update, and no edit.
    assert (await bot.hears("raw_message_edit")).message.edited_at is None
    assert await refused(message.create_thread(name="Again")) == (400, 160004)


async def test_threads_of_people_are_reported_listed_and_closed(discord: FakeDiscord, bot: Bot) -> None:
    number = await discord.open_thread("Plans")
    await discord.say("In here", channel=number)
    assert (await bot.hears("thread_create")).name == "Plans"
    guild = bot.get_guild(GUILD)
    assert guild is not None
    assert [thread.id for thread in await guild.active_threads()] == [number]

    await discord.archive(number, locked=True)
    await bot.hears("raw_thread_update")
    assert await guild.active_threads() == []
    await bot.place(number).send("It opens again for who may manage it")
    assert not discord.world.channels[number].archived
    await discord.forbid(CHANNEL, Permission.MANAGE_THREADS)
    await discord.archive(number, locked=True)
    assert await refused(bot.place(number).send("but not for others")) == (400, 160005)


async def test_direct_messages_are_received_and_answered_but_not_listed(discord: FakeDiscord, bot: Bot) -> None:
    channel = await discord.open_dm(ANN)
    await discord.say("Just between us", channel=channel)
    heard = await bot.hears("message")
    assert (heard.guild, heard.channel.id, heard.content) == (None, channel, "Just between us")
    await heard.channel.send("Of course")
    assert await discord.said(channel) == ["Of course"]

    opened = await (await bot.fetch_user(ANN)).create_dm()
    assert opened.id == channel
    assert await bot.http.request(library.http.Route("GET", "/users/@me/channels")) == []
    assert [each.content async for each in opened.history()] == ["Of course", "Just between us"]
    await discord.close_dms(ANN)
    assert await refused(opened.send("Hello?")) == (403, 50007)


async def test_files_are_uploaded_downloaded_and_limited(discord: FakeDiscord, bot: Bot) -> None:
    place, content = bot.place(CHANNEL), bytes(3 * MIB)
    sent = await place.send("here", file=library.File(io.BytesIO(content), "core.bin", description="a dump"))
    (stored,) = (await discord.message(sent.id)).attachments
    assert (stored.filename, stored.description, stored.content) == ("core.bin", "a dump", content)

    await discord.say("mine", files={"note.txt": b"read me"})
    (note,) = (await bot.hears("message", 2)).attachments
    assert (note.filename, note.size, note.content_type) == ("note.txt", 7, "text/plain")
    assert await note.read() == b"read me"

    many = [library.File(io.BytesIO(bytes(9 * MIB)), f"{number}.bin") for number in range(3)]
    assert await refused(place.send("too much", files=many)) == (413, 40005)
    large = library.File(io.BytesIO(bytes(10 * MIB + 1)), "large.bin")
    assert await refused(place.send("too large", file=large)) == (413, 40005)
    await discord.advance(2 * 86_400)
    with pytest.raises(library.NotFound):
        await note.read()
    assert await (await place.fetch_message(sent.id)).attachments[0].read() == content


async def test_files_stay_or_go_when_a_message_is_edited(discord: FakeDiscord, bot: Bot) -> None:
    files = [library.File(io.BytesIO(name.encode()), name) for name in ("a.txt", "b.txt")]
    sent = await bot.place(CHANNEL).send(files=files)
    new = library.File(io.BytesIO(b"c"), "c.txt")
    await sent.edit(content="changed", attachments=[sent.attachments[1], new])
    message = await discord.message(sent.id)
    assert [each.filename for each in message.attachments] == ["b.txt", "c.txt"]


async def test_guilds_and_members_can_be_asked_for(discord: FakeDiscord, bot: Bot) -> None:
    guild = await bot.fetch_guild(GUILD)
    role = (await guild.fetch_roles())[1]
    await discord.give_role(role.id, ANN)
    assert [each.id for each in (await guild.fetch_member(ANN)).roles[1:]] == [role.id]
    assert [channel.name for channel in await guild.fetch_channels()] == ["general"]
    other = await discord.add_guild("Elsewhere")
    assert (await bot.hears("guild_join")).id == other
    assert {each.id async for each in bot.fetch_guilds()} == {GUILD, other}
    assert await refused(guild.fetch_member(BOT + 7)) == (404, 10013)
    await discord.remove_bot(GUILD)
    assert (await bot.hears("guild_remove")).id == GUILD
    assert await refused(bot.place(CHANNEL).send("Anybody?")) == (403, 50001)
