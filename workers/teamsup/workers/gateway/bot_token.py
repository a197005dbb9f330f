"""The bot's token: where it comes from, and that it is never shown."""

import logging
import os
from pathlib import Path

from teamsup.hub import NotConfigured, NotSetUp
from teamsup.hub.sections import GatewaySection


class Secret:
    """A text that must not be shown. Only who needs it looks inside."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return "Secret(…)"

    def hidden_in(self, text: str) -> str:
        """The text without it."""
        return text.replace(self.text, "[token]")


def find_token(access: GatewaySection) -> Secret:
    """The bot's token, from $DISCORD_TOKEN, token_file or systemd's credentials. Raises NotSetUp without one, and
    NotConfigured for one that cannot be used.

    The variable is then gone, so that nothing that this process starts or shows has it.
    """
    # What cannot stand in a token would come back in an error that shows it.
    named, token = _find(access)
    if not token:
        raise NotConfigured(f"The Discord token in {named} is empty.")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise NotConfigured(f"What stands in {named} is no Discord token: copy one from the bot's page in the portal.")
    return Secret(token)


def hide_in_logs(secret: Secret) -> None:
    """From now on no log of this process shows it, whoever writes it."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_Hiding(handler.formatter or logging.Formatter(), secret))


class _Hiding(logging.Formatter):
    """Also in tracebacks, which only a formatter sees."""

    def __init__(self, formatter: logging.Formatter, secret: Secret) -> None:
        super().__init__()
        self._formatter = formatter
        self._secret = secret

    def format(self, record: logging.LogRecord) -> str:
        return self._secret.hidden_in(self._formatter.format(record))


def _find(access: GatewaySection) -> tuple[str, str]:
    """Where it stands, and what stands there."""
    if token := os.environ.pop("DISCORD_TOKEN", "").strip():
        return "DISCORD_TOKEN", token
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if not access.token_file and not (credentials and Path(credentials, "discord_token").exists()):
        raise NotSetUp(
            "No Discord token: set DISCORD_TOKEN and start the team again, or name a token_file under [gateway] in "
            "teamsup.toml and restart the gateway."
        )
    named = access.token_file or f"{credentials}/discord_token"
    try:
        file = Path(named).expanduser()
        # systemd keeps its credentials from others by the folder they are in.
        if access.token_file and file.is_file() and file.stat().st_mode & 0o077:
            raise NotConfigured(f"Others can read the Discord token in {file}: run chmod 600 on it.")
        return str(file), file.read_text("utf-8").strip()
    except (OSError, ValueError, RuntimeError) as error:
        reason = "it is not text" if isinstance(error, UnicodeError) else str(error)
        raise NotConfigured(f"The Discord token in {named} cannot be read: {reason}.") from error
