"""Rate limits: counted in windows of real time, told in every answer's headers."""

import json
import re
import time
import zlib
from dataclasses import dataclass
from fnmatch import fnmatchcase

from aiohttp import web

from ..rules import DiscordRules, RateLimit

# Without it discord.py takes a 429 for a ban of the whole network address.
VIA = {"Via": "1.1 google"}


@dataclass
class _RateWindow:
    started: float
    used: int = 0


class RateLimitTracker:
    def __init__(self, rules: DiscordRules) -> None:
        self._rules = rules
        self._windows: dict[str, _RateWindow] = {}

    def count(self, method: str, path: str) -> tuple[dict[str, str], web.Response | None]:
        """Headers for the answer; and the refusal, if this was one request too many."""
        everything = self._rules.global_limit
        if everything is not None:
            window, left = self._use("global", everything)
            if left < 0:
                return {}, too_many_requests(_seconds_left(window, everything), everywhere=True)
        route, limit = self._limit(method, path)
        window, left = self._use(f"{route} {_major_parameter(path)}", limit)
        ends = _seconds_left(window, limit)
        headers = {
            "X-RateLimit-Limit": str(limit.count),
            "X-RateLimit-Remaining": str(max(0, left)),
            "X-RateLimit-Reset": f"{time.time() + ends:.3f}",
            "X-RateLimit-Reset-After": f"{ends:.3f}",
            "X-RateLimit-Bucket": f"{zlib.crc32(route.encode()):08x}",
        }
        return headers, too_many_requests(ends, headers) if left < 0 else None

    def _limit(self, method: str, path: str) -> tuple[str, RateLimit]:
        occasion = f"{method} {path}"
        for route, limit in self._rules.limits.items():
            if fnmatchcase(occasion, route):
                return route, limit
        return re.sub(r"/\d+", "/*", re.sub(r"/(interactions|webhooks|reactions)/.*", r"/\1/*", occasion)), (
            self._rules.other_limit
        )

    def _use(self, bucket: str, limit: RateLimit) -> tuple[_RateWindow, int]:
        now = time.monotonic()
        window = self._windows.get(bucket)
        if window is None or now - window.started >= limit.seconds:
            window = self._windows[bucket] = _RateWindow(now)
        if window.used <= limit.count:
            window.used += 1
        return window, limit.count - window.used


def _major_parameter(path: str) -> str:
    """Each channel, guild and interaction has limits of its own."""
    found = re.match(r"/(?:channels|guilds)/\d+|/(?:webhooks|interactions)/\d+/[^/]+", path)
    return found.group() if found else ""


def _seconds_left(window: _RateWindow, limit: RateLimit) -> float:
    """In seconds, rounded up: who waits as long is not too early."""
    return max(0.0, window.started + limit.seconds - time.monotonic()) + 0.001


def too_many_requests(
    seconds: float, headers: dict[str, str] | None = None, *, everywhere: bool = False
) -> web.Response:
    body = {"message": "You are being rate limited.", "retry_after": round(seconds, 3), "global": everywhere}
    scope = (
        {"X-RateLimit-Scope": "global", "X-RateLimit-Global": "true"} if everywhere else {"X-RateLimit-Scope": "user"}
    )
    wait = {"Retry-After": str(int(seconds) + 1), "Content-Type": "application/json"}
    return web.Response(status=429, body=json.dumps(body).encode(), headers={**VIA, **wait, **scope, **(headers or {})})
