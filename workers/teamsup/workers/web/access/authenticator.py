"""The person behind a request, and their permissions."""

import asyncio
import hashlib
import hmac
import os
import re
import time
from collections.abc import Collection, Mapping

from teamsup.hub import MessageHub, Team

from ..page import Viewer
from .sessions import Session, end_session, find_session, name_browser, redeem_link
from .sign_in_limit import SignInLimit

TOKEN_FIELD = "token"  # noqa: S105 - the name of a field
"""The hidden field of every form."""
KNOWN_SECONDS = 5.0
"""Seconds for which a browser may still see a region after another browser or a command has ended its session."""
_MAX_KNOWN = 100


class Authenticator:
    """The people who have signed in. ``operators`` may act, and so may the person who runs the team."""

    def __init__(self, hub: MessageHub, operators: Collection[str]) -> None:
        self.cookie = cookie_name(hub.team)
        self._hub = hub
        self._operators = {*operators, owner_name()}
        self._tries = SignInLimit()
        self._known: dict[str, tuple[Session, float]] = {}
        """Sessions by their secrets, each with the monotonic second when the store last confirmed it."""

    async def find_session(self, cookies: Mapping[str, str], *, is_recent_enough: bool = False) -> Session | None:
        """Return the session of a request's cookies. With ``is_recent_enough``, accept a session that the store
        confirmed within KNOWN_SECONDS. This saves reads, because open pages request many regions.
        """
        secret = cookies.get(self.cookie, "")
        known = self._known.get(secret)
        if is_recent_enough and known is not None and time.monotonic() - known[1] < KNOWN_SECONDS:
            return known[0]
        asked_at = time.monotonic()
        session = await asyncio.to_thread(find_session, self._hub, secret, time.time())
        self._known.pop(secret, None)
        if session is not None:
            self._known[secret] = session, asked_at
            while len(self._known) > _MAX_KNOWN:
                del self._known[next(iter(self._known))]
        return session

    def viewer_of(self, session: Session) -> Viewer:
        """Return the person of a session."""
        return Viewer(session.person, session.person in self._operators, session.csrf_token, session.id)

    async def sign_in(self, secret: str, address: str, user_agent: str = "") -> Session | None:
        """Return a new session for the secret of a link, or None if it is wrong. Call this only while
        ``seconds_to_wait`` is 0.
        """
        self._tries.count_try(address, time.monotonic())
        is_wrong = False
        try:
            browser = name_browser(user_agent)
            session = await asyncio.to_thread(redeem_link, self._hub, secret.strip(), time.time(), browser)
            is_wrong = session is None
        finally:
            if not is_wrong:
                self._tries.forgive_try(address)
        return session

    def seconds_to_wait(self, address: str) -> float:
        """Return the seconds until this address may try a secret again."""
        return self._tries.seconds_to_wait(address, time.monotonic())

    async def sign_out(self, session: Session) -> None:
        """End a session."""
        try:
            await asyncio.to_thread(end_session, self._hub, session.id)
        finally:
            self._known.pop(session.secret, None)


def accepts_token(session: Session, token: str) -> bool:
    """Return whether a form comes from a page of this session."""
    return hmac.compare_digest(session.csrf_token.encode(), token.encode("utf-8", "surrogatepass"))


def cookie_name(team: Team) -> str:
    """Return the name of the team's cookie. Browsers send cookies to all ports of a host, so each team has its own.

    A team of the same name in another folder also has its own.
    """
    return f"teamsup-{team.name}-{hashlib.sha256(os.fsencode(team.folder)).hexdigest()[:8]}"


def owner_name() -> str:
    """Return the name of the person who runs the team, in the form that a link contains."""
    import getpass

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return re.sub(r"[^a-z0-9_.-]", "-", user.lower())[:40].lstrip("_.-") or "owner"
