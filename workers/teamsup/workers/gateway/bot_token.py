"""The bot's token: where it comes from."""

import os
from pathlib import Path

from teamsup.hub import NotConfigured
from teamsup.hub.sections import GatewaySection


def find_token(access: GatewaySection) -> str:
    """The bot's token, from $DISCORD_TOKEN, token_file or systemd's credentials. Raises NotConfigured without one."""
    if token := os.environ.get("DISCORD_TOKEN", "").strip():
        return token
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if not access.token_file and not (credentials and Path(credentials, "discord_token").exists()):
        raise NotConfigured(
            "No Discord token: set DISCORD_TOKEN and start the team again, or name a token_file under [gateway] in "
            "teamsup.toml and restart the gateway."
        )
    named = access.token_file or f"{credentials}/discord_token"
    try:
        file = Path(named).expanduser()
        # systemd keeps its credentials from others by the folder they are in.
        if access.token_file and file.is_file() and file.stat().st_mode & 0o077:
            raise NotConfigured(f"Others can read the Discord token in {file}: run chmod 600 on it.")
        return file.read_text("utf-8").strip()
    except (OSError, ValueError, RuntimeError) as error:
        raise NotConfigured(f"The Discord token in {named} cannot be read: {error}.") from error
