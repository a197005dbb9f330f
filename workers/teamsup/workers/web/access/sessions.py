"""Links that work once, and the sessions of browsers that have used one. The store contains only digests of the
secrets.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from teamsup.hub import MessageHub
from teamsup.hub.timestamps import format_time, parse_time

LINK_SECONDS = 600.0
SESSION_SECONDS = 30 * 86400.0
"""A session that is not used for this many seconds ends."""
RENEWAL_SECONDS = 3600.0
"""Seconds between two stored times of use, so that few requests write."""
_BROWSERS = ("Edg", "OPR", "Firefox", "Chromium", "Chrome", "Safari")
"""The words of a User-Agent that name a browser. The first word that is found counts, because a browser may also send
later words.
"""
_SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS X", "CrOS", "Linux")
_MAX_SECRET_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is signed in."""

    person: str
    secret: str
    """The content of its cookie."""

    @property
    def csrf_token(self) -> str:
        """Return the token that proves that a form comes from a page of this session. It does not reveal the secret."""
        return _digest(f"form {self.secret}")

    @property
    def id(self) -> str:
        """The id of the session in lists. It cannot be used to sign in."""
        return _digest(self.secret)


@dataclass(frozen=True, slots=True)
class ListedSession:
    """A browser that is signed in, as a list shows it. ``used_at`` may be wrong by RENEWAL_SECONDS, and is None if it
    is unknown.
    """

    id: str
    person: str
    browser: str | None
    created_at: datetime | None
    used_at: datetime | None


def create_link(hub: MessageHub, person: str, now: float) -> str:
    """Return a secret that signs this person in once, within ten minutes."""
    secret = secrets.token_urlsafe(32)
    with hub.transaction():
        hub.execute("DELETE FROM web_links WHERE expires_at <= ?", (format_time(now),))
        values = (_digest(secret), person, format_time(now + LINK_SECONDS))
        hub.execute("INSERT INTO web_links (digest, person, expires_at) VALUES (?, ?, ?)", values)
    return secret


def redeem_link(hub: MessageHub, secret: str, now: float, browser: str = "") -> Session | None:
    """Return a new session for the secret of a link, or None if the secret is wrong, used or too old. ``browser`` is
    the session's name in lists.
    """
    if not 0 < len(secret) <= _MAX_SECRET_CHARACTERS:
        return None
    digest, latest = _digest(secret), format_time(now + LINK_SECONDS)
    if not hub.query("SELECT 1 FROM web_links WHERE digest = ?", (digest,)):
        return None  # do not write here, so that a person who guesses links does not delay other writers
    with hub.transaction():
        # A link from before a step of the clock must not last longer than ten minutes from now.
        found = hub.query(
            "SELECT person FROM web_links WHERE digest = ? AND expires_at > ? AND expires_at <= ?",
            (digest, format_time(now), latest),
        )
        if not found or not hub.execute("DELETE FROM web_links WHERE digest = ?", (digest,)):
            return None
        hub.execute("DELETE FROM web_sessions WHERE used_at <= ?", (format_time(now - SESSION_SECONDS),))
        session = Session(found[0][0], secrets.token_urlsafe(32))
        values = (session.id, session.person, format_time(now), format_time(now), browser)
        hub.execute(
            "INSERT INTO web_sessions (digest, person, used_at, created_at, browser) VALUES (?, ?, ?, ?, ?)", values
        )
    return session


def find_session(hub: MessageHub, secret: str, now: float) -> Session | None:
    """Return the session of a cookie. Return None if it does not exist, has ended, or was not used for too long."""
    if not 0 < len(secret) <= _MAX_SECRET_CHARACTERS:
        return None
    digest = _digest(secret)
    found = hub.query(
        "SELECT person, used_at FROM web_sessions WHERE digest = ? AND used_at > ?",
        (digest, format_time(now - SESSION_SECONDS)),
    )
    if not found:
        return None
    if found[0][1] < format_time(now - RENEWAL_SECONDS):
        with hub.transaction():
            hub.execute("UPDATE web_sessions SET used_at = ? WHERE digest = ?", (format_time(now), digest))
    return Session(found[0][0], secret)


def list_sessions(hub: MessageHub, now: float, person: str | None = None) -> list[ListedSession]:
    """Return the signed-in browsers of a person or of all people, the last used first."""
    found = hub.query(
        "SELECT digest, person, browser, created_at, used_at FROM web_sessions"
        " WHERE used_at > ? AND (CAST(? AS TEXT) IS NULL OR person = ?) ORDER BY used_at DESC, digest",
        (format_time(now - SESSION_SECONDS), person, person),
    )
    return [
        ListedSession(digest, owner, browser, parse_time(created_at), parse_time(used_at))
        for digest, owner, browser, created_at, used_at in found
    ]


def end_session(hub: MessageHub, session_id: str, person: str | None = None) -> bool:
    """Sign a browser out, so that its cookie is no longer valid. With ``person``, only if the browser belongs to this
    person.

    Return whether the browser was signed in.
    """
    with hub.transaction():
        ended = hub.execute(
            "DELETE FROM web_sessions WHERE digest = ? AND (CAST(? AS TEXT) IS NULL OR person = ?)",
            (session_id, person, person),
        )
    return bool(ended)


def end_all_sessions(hub: MessageHub, person: str) -> int:
    """Sign all browsers of a person out, and invalidate the person's unused links. Return the number of browsers."""
    with hub.transaction():
        hub.execute("DELETE FROM web_links WHERE person = ?", (person,))
        return hub.execute("DELETE FROM web_sessions WHERE person = ?", (person,))


def name_browser(user_agent: str) -> str:
    """Return the usual name of a browser, such as "Firefox on Linux", or an empty text if its header does not show it.
    Pure.
    """
    names = {"Edg": "Edge", "OPR": "Opera", "Mac OS X": "macOS", "CrOS": "ChromeOS"}
    browser = next((each for each in _BROWSERS if f"{each}/" in user_agent), "")
    system = next((each for each in _SYSTEMS if each in user_agent), "")
    return " on ".join(names.get(each, each) for each in (browser, system) if each)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
