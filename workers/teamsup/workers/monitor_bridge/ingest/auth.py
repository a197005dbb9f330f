"""Authenticate a request by its source's secret, in each form that vendors use."""

import hashlib
import hmac
import os
from collections.abc import Mapping

from aiohttp import BasicAuth

from teamsup.config.secret_file import UnusableSecretFile, read_secret_file
from teamsup.hub import NotConfigured

from ..source_section import SourceSection

AUTH_CHALLENGE = 'Basic realm="teamsup", charset="UTF-8"'
"""Google and Oracle send their password only after a refusal with this challenge."""
# Accept a secret in the address only for kinds that may have no other way, because proxies log addresses.
_QUERY_PARAMETERS = {"google_cloud": "auth_token", "healthchecks": "token", "plain": "token"}
_MIN_SECRET_LENGTH = 8


class SourceSecrets:
    """The digest of each source's secret. An unreadable secret stops only its own source."""

    def __init__(self, sources: Mapping[str, SourceSection]) -> None:
        self._sources = sources
        self._digests: dict[str, bytes | None] = {}
        self._missing = list(sources)
        self.load_missing()

    def load_missing(self) -> str:
        """Read the secrets that are missing. Return why some of them cannot be read, or an empty text."""
        troubles = []
        for name in tuple(self._missing):
            try:
                secret = _read_secret(name, self._sources[name])
            except NotConfigured as error:
                troubles.append(str(error))
            else:
                self._digests[name] = None if secret is None else _digest(secret)
                self._missing.remove(name)
        return " ".join(troubles)

    @property
    def has_all(self) -> bool:
        """Return whether each secret could be read."""
        return not self._missing

    def has_source(self, name: str) -> bool:
        """Return whether there is a source of this name."""
        return name in self._sources

    def is_known(self, name: str) -> bool:
        """Return whether the secret of this source has been read."""
        return name in self._digests

    def accepts(self, name: str, authorization: str, query: Mapping[str, str]) -> bool:
        """Return whether the request shows the source's secret: as a bearer token, a password, or in its address.

        A source without a secret is open to every program on this machine.
        """
        digest = self._digests[name]
        if digest is None:
            return True
        shown = (*_credentials_in(authorization), query.get(_QUERY_PARAMETERS.get(self._sources[name].kind, ""), ""))
        return any(hmac.compare_digest(_digest(secret), digest) for secret in shown)


def _read_secret(name: str, source: SourceSection) -> str | None:
    """Return the secret that the section names, or None. Raise NotConfigured."""
    if not source.has_secret:
        return None
    label = f"The secret of [source.{name}] in {source.secret_file or '$' + source.secret_variable}"
    try:
        text = (
            read_secret_file(source.secret_file) if source.secret_file else os.environ.get(source.secret_variable, "")
        )
    except UnusableSecretFile as error:
        raise NotConfigured(f"{label} cannot be used: {error}.") from error
    if not (secret := text.strip()):
        raise NotConfigured(f"{label} is empty.")
    if len(secret) < _MIN_SECRET_LENGTH or not secret.isprintable():
        raise NotConfigured(f"{label} must be one line of {_MIN_SECRET_LENGTH} characters or more.")
    return secret


def _credentials_in(authorization: str) -> tuple[str, ...]:
    """Return the token or the password that an Authorization header shows."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return (rest.strip(),)
    try:
        return (BasicAuth.decode(authorization, encoding="utf-8").password,)
    except ValueError:
        return ()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
