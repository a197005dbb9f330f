"""A strict Discord on loopback: REST v10 and gateway v10, people who write to the bot, and trouble on demand.

async with FakeDiscord() as discord:
    ...  # start the bot: python -m fake_discord.pointed MODULE, with FAKE_DISCORD=discord.url
    await discord.connected()
    discord.faults.add("lost reply", "POST /channels/*/messages")
    asked = await discord.say("Hello")
    await discord.until_said(["Hi there!"])
    assert await discord.reactions(asked) == ["✅"]
"""

from .clock import Clock
from .faults import Fault, Faults
from .ids import ANN, BOB, BOT, BOT_ROLE, CHANNEL, GUILD, OPERATORS, OTHER_BOT
from .permissions import May
from .rules import MESSAGE_CONTENT, REAL_LIMITS, TOKEN, Limit, Rules
from .server import FakeDiscord
from .things import Channel, Interaction, Message

__all__ = [
    "ANN",
    "BOB",
    "BOT",
    "BOT_ROLE",
    "CHANNEL",
    "GUILD",
    "MESSAGE_CONTENT",
    "OPERATORS",
    "OTHER_BOT",
    "REAL_LIMITS",
    "TOKEN",
    "Channel",
    "Clock",
    "FakeDiscord",
    "Fault",
    "Faults",
    "Interaction",
    "Limit",
    "May",
    "Message",
    "Rules",
]
