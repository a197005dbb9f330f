"""A strict Discord on loopback, with people who write to the bot and faults on demand. README.md describes it."""

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
