"""Changes the processes of a team that have this folder on $PYTHONPATH.

They take $FAKE_DISCORD for Discord. Their wall clock is wrong by the seconds in the file that $SOAK_CLOCK names.
"""

import datetime as datetime_module
import os
import sys
import time
from pathlib import Path

from helpers.clock import SharedClock

_real = datetime_module.datetime


class _AnyDatetime(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, _real)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, _real)


def _follow_clock(path: str) -> None:
    clock = SharedClock(Path(path))
    time.time = clock
    time.time_ns = lambda: int(clock() * 1e9)

    class JumpingDatetime(_real, metaclass=_AnyDatetime):
        __slots__ = ()  # as large as the real one: programs in C look

        @classmethod
        def now(cls, tz: datetime_module.tzinfo | None = None) -> "JumpingDatetime":
            return cls.fromtimestamp(time.time(), tz)

        @classmethod
        def utcnow(cls) -> "JumpingDatetime":
            return cls.fromtimestamp(time.time(), datetime_module.UTC).replace(tzinfo=None)

    JumpingDatetime.__name__ = JumpingDatetime.__qualname__ = "datetime"
    JumpingDatetime.__module__ = "datetime"
    datetime_module.datetime = JumpingDatetime  # type: ignore[misc]


if "SOAK_CLOCK" in os.environ:
    _follow_clock(os.environ["SOAK_CLOCK"])
if any(word.endswith("discord_gateway") for word in sys.orig_argv):
    from fake_discord.redirect import redirect_to

    redirect_to(os.environ["FAKE_DISCORD"])
