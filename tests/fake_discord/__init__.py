"""A strict Discord on loopback: REST v10 and gateway v10, people who write to the bot, and trouble on demand.

async with FakeDiscord() as discord:
    ...  # start the bot: python -m fake_discord.redirect MODULE, with FAKE_DISCORD=discord.url
    await discord.connected()
    discord.faults.add("lost reply", "POST /channels/*/messages")
    asked = await discord.say("Hello")
    await discord.until_said(["Hi there!"])
    assert await discord.reactions(asked) == ["✅"]

What tests call: ``FakeDiscord`` is what people do, what can be seen, and what goes wrong.

    server people looks trouble faults rules   FakeDiscord; its verbs; trouble now, and trouble to come; what is allowed
    __main__ control                     the same as a process of its own, and the way into it
    pointed startup/                     take a program, or a whole team, for whom this is Discord
    bots ids                             discord.py for the tests of this Discord; whom every world has

What it is made of: a world that knows nothing of the network, and two ways in.

    parts                                puts them together
    world things clock                   its state; what that consists of; its time and its numbers
    talk threads interactions commands   what can happen to messages, threads, commands and buttons
    permissions payloads                 who may do what; how Discord writes it all down
    gateway connection sessions          the websocket: who is logged in; one connection; what a session has heard
    rest routes calls limits             HTTP: a request's way to its handler; its reading; rate limits
      rest_messages rest_places rest_interactions   the handlers
      drafts refusals                      what a bot wants to say, held against the limits; how Discord says no
"""

from .clock import SimulatedClock
from .faults import Fault, FaultPlan
from .ids import ANN, BOB, BOT, BOT_ROLE, CHANNEL, GUILD, OPERATORS, OTHER_BOT
from .rules import MESSAGE_CONTENT, REAL_LIMITS, TOKEN, DiscordRules, RateLimit
from .server import FakeDiscord
from .world.models import FakeChannel, FakeInteraction, FakeMessage
from .world.permissions import Permission

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
    "DiscordRules",
    "FakeChannel",
    "FakeDiscord",
    "FakeInteraction",
    "FakeMessage",
    "Fault",
    "FaultPlan",
    "Permission",
    "RateLimit",
    "SimulatedClock",
]
