"""Repeat a verb if the store has undone it because of other writers or a lost connection."""

import functools
import math
import time
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from ..errors import StoreInterrupted, StoreUncertain
from .engine import BUSY_SECONDS, Engine

T = TypeVar("T")
P = ParamSpec("P")


class _SessionOwner(Protocol):
    """A part of the hub. Its session has the store."""

    @property
    def _session(self) -> Any: ...  # noqa: ANN401 - an engine does not know sessions


Hub = TypeVar("Hub", bound=_SessionOwner)


def repeat(store: Engine, verb: Callable[[], T], find_stored: Callable[[], T | None] | None = None) -> T:
    """Run a whole verb, and repeat it if the store has undone it, for up to BUSY_SECONDS.

    ``find_stored`` returns the result of a verb that is stored although the store has not confirmed it. Without that
    function, raise StoreUncertain. Inside a transaction the verb runs once, because only the caller can begin the
    transaction again.
    """
    deadline = math.inf
    while True:
        try:
            return verb()
        except (StoreInterrupted, StoreUncertain) as error:
            is_uncertain = isinstance(error, StoreUncertain)
            if store.is_in_transaction() or time.monotonic() > deadline or (is_uncertain and not find_stored):
                raise
            deadline = min(deadline, time.monotonic() + BUSY_SECONDS)
            if is_uncertain and find_stored and (stored := find_stored()) is not None:
                return stored


def repeated(verb: Callable[Concatenate[Hub, P], T]) -> Callable[Concatenate[Hub, P], T]:
    """Run a verb of the hub as repeat() does. The verb may be stored twice, so an unconfirmed one just runs again."""

    @functools.wraps(verb)
    def run(hub: Hub, /, *arguments: P.args, **named: P.kwargs) -> T:
        return repeat(hub._session.store, lambda: verb(hub, *arguments, **named), lambda: None)

    return run
