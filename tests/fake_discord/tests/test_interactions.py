"""Slash commands, deferred answers and buttons, with discord.py's own command tree and views."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import discord as library
import pytest

from fake_discord import ANN, BOB, BOT, CHANNEL, DiscordRules, FakeDiscord
from fake_discord.bots import Bot, running
from fake_discord.tests.test_messages import refused

Interaction = library.Interaction[Any]


def add_ask(bot: Bot, handler: Callable[[Interaction, str], Awaitable[None]]) -> None:
    @bot.tree.command(name="ask", description="Ask the team")
    @library.app_commands.describe(question="What?")
    async def ask(interaction: Interaction, question: str) -> None:
        await handler(interaction, question)


async def never(interaction: Interaction, question: str) -> None:
    raise AssertionError(f"{interaction} was not to be run with {question}")


async def test_commands_are_registered_and_keep_their_ids(discord: FakeDiscord, bot: Bot) -> None:
    add_ask(bot, never)
    (first,) = await bot.tree.sync()
    (stored,) = await discord.commands()
    assert (stored["name"], stored["options"][0]["name"], stored["id"]) == ("ask", "question", str(first.id))
    await bot.tree.sync()
    assert await discord.commands() == [stored]
    assert [command.name for command in await bot.tree.fetch_commands()] == ["ask"]

    @bot.tree.command(name="ps", description="x" * 100)
    async def ps(interaction: Interaction) -> None:
        await never(interaction, "")

    await bot.tree.sync()
    assert [command["name"] for command in await discord.commands()] == ["ask", "ps"]
    bad = [{"name": "Ask", "description": "upper case"}]
    assert await refused(bot.http.bulk_upsert_global_commands(BOT, bad)) == (400, 50035)
    twice = [{"name": "ask", "description": "twice"}] * 2
    assert await refused(bot.http.bulk_upsert_global_commands(BOT, twice)) == (400, 50035)
    with pytest.raises(LookupError):
        await discord.command("unheard-of")
    with pytest.raises(LookupError, match="wants question"):
        await discord.command("ask")


async def test_a_deferred_command_is_answered_later(discord: FakeDiscord) -> None:
    may_answer = asyncio.Event()

    async def answer(interaction: Interaction, question: str) -> None:
        deferred = await interaction.response.defer(thinking=True)
        assert deferred is not None
        assert deferred.is_thinking()
        await may_answer.wait()
        await interaction.followup.send(f"about {question}: yes")
        await interaction.followup.send("and one more thing")

    async with running(Bot(discord)) as bot:
        add_ask(bot, answer)
        await bot.tree.sync()
        number = await discord.command("ask", {"question": "life"}, user=BOB)
        interaction = await discord.interaction(number)
        await discord.until(lambda: interaction.thinking, "the bot thinks")
        assert not await discord.interaction_failed(number)
        may_answer.set()
        await discord.until(lambda: len(interaction.messages) == 2, "both answers")

        assert await discord.answers(number) == ["about life: yes", "and one more thing"]
        assert await discord.said() == ["about life: yes", "and one more thing"]
        assert not interaction.thinking
        heard = await bot.hears("interaction")
        assert (heard.user.id, heard.channel.id, heard.guild.name) == (BOB, CHANNEL, "Crew")


async def test_an_answer_after_three_seconds_is_refused(discord: FakeDiscord, bot: Bot) -> None:
    codes: list[tuple[int, int]] = []

    async def answer(interaction: Interaction, question: str) -> None:
        await discord.advance(3.1)
        codes.append(await refused(interaction.response.send_message(question)))
        codes.append(await refused(interaction.followup.send("sorry")))

    add_ask(bot, answer)
    await bot.tree.sync()
    number = await discord.command("ask", {"question": "life"})
    await discord.until(lambda: len(codes) == 2, "both refusals")
    assert codes == [(404, 10062), (404, 10015)]
    assert await discord.interaction_failed(number)


@pytest.mark.parametrize(
    "rules",
    [
        DiscordRules(expired_token=(401, 50027, "Invalid Webhook Token")),
        DiscordRules(expired_token=(404, 10015, "Unknown Webhook")),
    ],
)
async def test_a_token_lives_for_a_quarter_of_an_hour(discord: FakeDiscord, bot: Bot) -> None:
    codes: list[tuple[int, int]] = []

    async def answer(interaction: Interaction, question: str) -> None:
        await interaction.response.defer()
        await discord.advance(14 * 60)
        await interaction.followup.send(question)
        await discord.advance(2 * 60)
        codes.append(await refused(interaction.followup.send("too late")))
        codes.append(await refused(interaction.edit_original_response(content="too late")))

    add_ask(bot, answer)
    await bot.tree.sync()
    number = await discord.command("ask", {"question": "life"})
    await discord.until(lambda: len(codes) == 2, "both refusals")
    assert codes == [discord.rules.expired_token[:2]] * 2
    assert await discord.answers(number) == ["life"]


async def test_the_first_answer_is_given_once_and_can_be_for_one_person(discord: FakeDiscord, bot: Bot) -> None:
    codes: list[tuple[int, int]] = []

    async def answer(interaction: Interaction, question: str) -> None:
        await interaction.response.send_message(question, ephemeral=True)
        answer = library.webhook.async_.interaction_response_params(5)
        adapter = library.webhook.async_.async_context.get()
        token, session = interaction.token, interaction._session
        sending = adapter.create_interaction_response(interaction.id, token, session=session, params=answer)
        codes.append(await refused(sending))
        await interaction.edit_original_response(content="changed")

    add_ask(bot, answer)
    await bot.tree.sync()
    number = await discord.command("ask", {"question": "life"})
    interaction = await discord.interaction(number)
    await discord.until(lambda: interaction.messages and interaction.messages[0].versions, "the change")
    assert codes == [(400, 40060)]
    assert await discord.answers(number) == ["changed"]
    assert await discord.said() == []
    assert not bot.all("message")


class Decision(library.ui.View):
    def __init__(self, pressed: list[tuple[int, str]]) -> None:
        super().__init__(timeout=None)
        self.pressed = pressed

    @library.ui.button(label="Yes", custom_id="decide:yes")
    async def yes(self, interaction: Interaction, button: library.ui.Button["Decision"]) -> None:
        self.pressed.append((interaction.user.id, str(button.custom_id)))
        button.disabled = True
        await interaction.response.edit_message(content="Decided", view=self)


async def test_a_button_works_also_after_the_bot_was_restarted(discord: FakeDiscord) -> None:
    async with running(Bot(discord)) as bot:
        asked = (await bot.place(CHANNEL).send("Restart it?", view=Decision([]))).id

    pressed: list[tuple[int, str]] = []
    async with running(Bot(discord)) as bot:
        bot.add_view(Decision(pressed))
        number = await discord.press(asked, "decide:yes", user=ANN)
        message = await discord.message(asked)
        await discord.until(lambda: message.content == "Decided", "the decision")

        assert pressed == [(ANN, "decide:yes")]
        assert (await discord.interaction(number)).answer == 7
        with pytest.raises(LookupError):
            await discord.press(asked, "decide:yes")
        with pytest.raises(LookupError):
            await discord.press(asked, "decide:no")


async def test_a_press_can_be_answered_with_a_message_of_its_own(discord: FakeDiscord) -> None:
    class Deferring(library.ui.View):
        @library.ui.button(label="More", custom_id="more")
        async def more(self, interaction: Interaction, _: library.ui.Button["Deferring"]) -> None:
            await interaction.response.defer()
            await interaction.followup.send("more")

    async with running(Bot(discord)) as bot:
        channel = await discord.open_dm(ANN)
        sent = await bot.place(channel).send("Listen", view=Deferring())
        number = await discord.press(sent.id, "more")
        await discord.until(lambda: discord.world.interactions[number].messages, "the answer")
        assert await discord.said(channel) == ["Listen", "more"]
        assert (await bot.hears("interaction")).user.id == ANN


async def test_components_have_limits(bot: Bot) -> None:
    view = library.ui.View()
    view.add_item(library.ui.Button(label="a", custom_id="same"))
    view.add_item(library.ui.Button(label="b", custom_id="same"))
    assert await refused(bot.place(CHANNEL).send("?", view=view)) == (400, 50035)
