"""What proves that a request is a source's own: its secret, as each kind of source can send it."""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path

from teamsup.config.source_section import SourceSection
from teamsup.hub import NotConfigured

# Only what cannot do better: addresses end up in logs of proxies.
_QUERY_PARAMETERS = {"google_cloud": "auth_token", "healthchecks": "token", "plain": "token"}
_MIN_SECRET_LENGTH = 8


class SourceAuth:
    """The secret of one source, of which only a digest is kept. Without one, everybody at this machine is believed."""

    def __init__(self, kind: str, secret: str | None) -> None:
        self._digest = None if secret is None else _digest(secret)
        self._parameter = _QUERY_PARAMETERS.get(kind, "")

    def accepts(self, authorization: str, query: Mapping[str, str]) -> bool:
        """Whether the secret is there: as bearer token, as a password, or in the address where that is usual."""
        if self._digest is None:
            return True
        shown = (*_credentials_in(authorization), query.get(self._parameter, "") if self._parameter else "")
        return any(hmac.compare_digest(_digest(secret), self._digest) for secret in shown)

    def __repr__(self) -> str:
        return "Proof(…)"


AUTH_CHALLENGE = 'Basic realm="teamsup", charset="UTF-8"'
"""Google and Oracle send their password only after having been asked like this."""


def load_auth(name: str, source: SourceSection) -> SourceAuth:
    """With the secret that the section names. Raises NotConfigured when it cannot be read, or others can read it."""
    if not source.has_secret:
        return SourceAuth(source.kind, None)
    secret = (
        _read_secret_file(name, source.secret_file)
        if source.secret_file
        else os.environ.get(source.secret_variable, "")
    )
    secret, place = secret.strip(), source.secret_file or f"${source.secret_variable}"
    if not secret:
        raise NotConfigured(f"The secret of [source.{name}] in {place} is empty.")
    if len(secret) < _MIN_SECRET_LENGTH or not secret.isprintable():
        raise NotConfigured(
            f"The secret of [source.{name}] in {place} must be one line of {_MIN_SECRET_LENGTH} characters or more."
        )
    return SourceAuth(source.kind, secret)


class SourceSecrets:
    """What proves each source. A secret that cannot be read holds up its own source alone."""

    def __init__(self, sources: Mapping[str, SourceSection]) -> None:
        self._auths: dict[str, SourceAuth] = {}
        self._missing = dict(sources)
        self.load_missing()

    def auth_of(self, name: str) -> SourceAuth | None:
        """The proof of a source; None while its secret cannot be read."""
        return self._auths.get(name)

    def load_missing(self) -> str:
        """Read those that are missing; why some still cannot be read."""
        troubles = []
        for name, source in list(self._missing.items()):
            try:
                self._auths[name] = load_auth(name, source)
                del self._missing[name]
            except NotConfigured as error:
                troubles.append(str(error))
        return " ".join(troubles)

    def __repr__(self) -> str:
        return f"Secrets({', '.join(self._auths)})"


def _read_secret_file(name: str, named: str) -> str:
    """systemd keeps its credentials from others by the folder they are in; every other file must do so by itself."""
    file = Path(os.path.expandvars(named)).expanduser()
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    try:
        kept = credentials is not None and file.is_relative_to(credentials)
        if not kept and file.stat().st_mode & 0o077:
            raise NotConfigured(f"Others can read the secret of [source.{name}] in {file}: run chmod 600 on it.")
        return file.read_text("utf-8")
    except (OSError, ValueError, RuntimeError) as error:
        reason = "it is not text" if isinstance(error, UnicodeError) else str(error)
        raise NotConfigured(f"The secret of [source.{name}] in {file} cannot be read: {reason}.") from error


def _credentials_in(authorization: str) -> tuple[str, str]:
    """What an Authorization header shows as a token and as a password."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip(), ""
    if scheme.lower() != "basic":
        return "", ""
    try:
        return "", base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return "", ""


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
