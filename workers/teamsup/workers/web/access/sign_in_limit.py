"""Limit how often an address may try a secret."""

from collections import OrderedDict

MAX_TRIES = 10
_PERIOD_SECONDS = 60.0
_MAX_ADDRESSES = 1000


class SignInLimit:
    """Counts wrong secrets for each address. It allows ten tries, and then one try every six seconds."""

    def __init__(self) -> None:
        self._full_at: OrderedDict[str, float] = OrderedDict()
        """The time when each address has all its tries again. The address that was changed longest ago comes first."""

    def seconds_to_wait(self, address: str, now: float) -> float:
        """Return the seconds until this address may try, or 0 if it may try now. ``now`` is monotonic."""
        each = _PERIOD_SECONDS / MAX_TRIES
        return max(0.0, self._full_at.get(address, now) + each - _PERIOD_SECONDS - now)

    def count_try(self, address: str, now: float) -> None:
        """Note that this address tries a secret. The try counts until the secret proves to be right, so that
        simultaneous tries count too.
        """
        self._full_at[address] = max(now, self._full_at.pop(address, now)) + _PERIOD_SECONDS / MAX_TRIES
        if len(self._full_at) > _MAX_ADDRESSES:
            self._full_at.popitem(last=False)

    def forgive_try(self, address: str) -> None:
        """Take back one try of this address, because its secret was not wrong."""
        if address in self._full_at:
            self._full_at[address] -= _PERIOD_SECONDS / MAX_TRIES
