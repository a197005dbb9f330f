"""The gateway's process: it reads the bot's token, and loads discord.py only if there is a token."""

from teamsup.config.loader import Config
from teamsup.hub import MessageHub

from ..protocol import GATEWAY
from ..worker import Worker, run_process
from .component import GatewaySection, component
from .connection.token import find_token, redact_in_logs


def make_gateway(hub: MessageHub, config: Config) -> Worker:
    """Return the gateway with its token. Raise NotConfigured without a usable token."""
    token = find_token(config.section(GATEWAY, GatewaySection))
    redact_in_logs(token)
    # discord.py takes a fifth of a second and 30 MiB, which a gateway without a token does not need.
    from .app import DiscordGateway

    return DiscordGateway(hub, config, token)


if __name__ == "__main__":
    run_process(GATEWAY, make_gateway, "Carry messages between Discord and the team.", component.tables)
