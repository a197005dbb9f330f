"""The gateway as a component of a team."""

from teamsup.config.components import Component
from teamsup.config.sections import GatewaySection

component = Component(
    name="gateway",
    command="teamsup.workers.gateway.discord_gateway",
    section=GatewaySection,
    file_keys=("gateway.token_file",),
    secret_variables=("DISCORD_TOKEN",),
    # Discord allows a bot a thousand logins a day and then takes its token away.
    healthy_seconds=300.0,
    rank=30,
)
