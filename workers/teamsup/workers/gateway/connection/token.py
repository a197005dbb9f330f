"""The bot's token: read it, and keep it hidden."""

import logging
import os
import re
from collections.abc import Callable, MutableMapping
from functools import partial
from pathlib import Path

from teamsup.config.secret_file import UnusableSecretFile, read_secret_file
from teamsup.hub import NotConfigured, OptionalNotConfigured

from ..component import GatewaySection

_TOKEN_FORMAT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
"""The form of a bot's token. A client secret, the common mistake, has no dots."""


class BotToken:
    """The secret token of the bot. ``read`` reads the token again, if its source allows that."""

    def __init__(self, text: str, read: Callable[[], str] | None = None) -> None:
        self.text = text
        self._former: list[str] = []
        self._read = read

    def is_contained_in(self, content: bytes) -> bool:
        return any(each.encode() in content for each in (self.text, *self._former))

    @property
    def is_well_formed(self) -> bool:
        return _TOKEN_FORMAT.fullmatch(self.text) is not None

    def reload(self) -> bool:
        """Read the token's file again, and return whether the token has changed. Ignore an unusable text."""
        try:
            text = "" if self._read is None else self._read()
        except UnusableSecretFile:
            return False  # another program writes it at this moment
        if text == self.text or not text or not _is_usable(text):
            return False
        self._former.append(self.text)
        self.text = text
        return True

    def __repr__(self) -> str:
        return "Secret(…)"

    def redact(self, text: str) -> str:
        """Return the text without the token."""
        for each in (self.text, *self._former):
            text = text.replace(each, "[token]")
        return text


def find_token(access: GatewaySection, environment: MutableMapping[str, str] = os.environ) -> BotToken:
    """Return the bot's token from $DISCORD_TOKEN, token_file or systemd's credentials.

    Remove the variable, so that no child process and no output of this process contains it. Raise
    OptionalNotConfigured if there is no token, and NotConfigured if the token cannot be used.
    """
    # A text with other characters would appear in an error message.
    named, token, read = _read_token(access, environment)
    if not token:
        raise NotConfigured(f"The Discord token in {named} is empty.")
    if not _is_usable(token):
        raise NotConfigured(f"The text in {named} is not a Discord token. Copy one from the bot's page in the portal.")
    return BotToken(token, read)


def redact_in_logs(secret: BotToken) -> None:
    """Remove the token from all logs of this process from now on."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_RedactingFormatter(handler.formatter or logging.Formatter(), secret))


class _RedactingFormatter(logging.Formatter):
    """Remove the token from log lines. Only a formatter sees the tracebacks in them."""

    def __init__(self, formatter: logging.Formatter, secret: BotToken) -> None:
        super().__init__()
        self._formatter = formatter
        self._secret = secret

    def format(self, record: logging.LogRecord) -> str:
        return self._secret.redact(self._formatter.format(record))


def _is_usable(token: str) -> bool:
    return token.isascii() and token.isprintable() and " " not in token


def _read_token(
    access: GatewaySection, environment: MutableMapping[str, str]
) -> tuple[str, str, Callable[[], str] | None]:
    """Return the place of the token, its text, and a function that reads it again."""
    if token := environment.pop("DISCORD_TOKEN", "").strip():
        return "DISCORD_TOKEN", token, None
    credentials = environment.get("CREDENTIALS_DIRECTORY")
    if not access.token_file and not (credentials and Path(credentials, "discord_token").exists()):
        raise OptionalNotConfigured(
            "No Discord token: set DISCORD_TOKEN and start the team again, or name a token_file under [gateway] in "
            "teamsup.toml and restart the gateway."
        )
    named = access.token_file or "$CREDENTIALS_DIRECTORY/discord_token"
    read = partial(_read_token_file, named)
    try:
        return named, read(), read
    except UnusableSecretFile as error:
        raise NotConfigured(f"The Discord token in {named} cannot be used: {error}.") from error


def _read_token_file(named: str) -> str:
    return read_secret_file(named).strip()
