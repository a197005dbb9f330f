"""Links that work once, and the sessions of browsers that have used one. The store has only digests of the secrets."""

import hashlib
import secrets
from dataclasses import dataclass

from teamsup.hub import MessageHub
from teamsup.hub.timestamps import format_time

LINK_SECONDS = 600.0
SESSION_SECONDS = 30 * 86400.0
"""A session ends when nobody has used it for this time."""
_RENEWAL_SECONDS = 86400.0
"""Seconds after which a use is written down again, so that few requests write."""
_MAX_SECRET_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is signed in."""

    person: str
    secret: str
    """The content of its cookie."""

    @property
    def csrf_token(self) -> str:
        """The token that proves that a form comes from a page of this session. It does not show the secret."""
        return _digest(f"form {self.secret}")


def create_link(hub: MessageHub, person: str, now: float) -> str:
    """Return a secret that signs this person in once, within ten minutes."""
    secret = secrets.token_urlsafe(32)
    with hub.transaction():
        hub.execute("DELETE FROM web_links WHERE expires_at <= ?", (format_time(now),))
        values = (_digest(secret), person, format_time(now + LINK_SECONDS))
        hub.execute("INSERT INTO web_links (digest, person, expires_at) VALUES (?, ?, ?)", values)
    return secret


def redeem_link(hub: MessageHub, secret: str, now: float) -> Session | None:
    """Return a new session for the secret of a link; None if it is wrong, used or too old."""
    if not 0 < len(secret) <= _MAX_SECRET_CHARACTERS:
        return None
    digest, latest = _digest(secret), format_time(now + LINK_SECONDS)
    if not hub.query("SELECT 1 FROM web_links WHERE digest = ?", (digest,)):
        return None  # a guesser must not keep others from writing
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
        values = (_digest(session.secret), session.person, format_time(now))
        hub.execute("INSERT INTO web_sessions (digest, person, used_at) VALUES (?, ?, ?)", values)
    return session


def find_session(hub: MessageHub, secret: str, now: float) -> Session | None:
    """Return the session of a cookie; None if there is none, it has ended, or it was not used for too long."""
    if not 0 < len(secret) <= _MAX_SECRET_CHARACTERS:
        return None
    digest = _digest(secret)
    found = hub.query(
        "SELECT person, used_at FROM web_sessions WHERE digest = ? AND used_at > ?",
        (digest, format_time(now - SESSION_SECONDS)),
    )
    if not found:
        return None
    if found[0][1] < format_time(now - _RENEWAL_SECONDS):
        with hub.transaction():
            hub.execute("UPDATE web_sessions SET used_at = ? WHERE digest = ?", (format_time(now), digest))
    return Session(found[0][0], secret)


def end_session(hub: MessageHub, session: Session) -> None:
    """Sign a browser out. Its cookie means nothing from now on."""
    with hub.transaction():
        hub.execute("DELETE FROM web_sessions WHERE digest = ?", (_digest(session.secret),))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
