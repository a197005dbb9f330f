"""The gateway as a component of a team."""

from pathlib import Path

from teamsup.config.components import Component
from teamsup.config.sections import GatewaySection
from teamsup.hub.engines.component_tables import ComponentTables

from ..protocol import GATEWAY

_TABLES = ComponentTables(
    GATEWAY,
    scripts=(Path(__file__).with_name("schema") / "1-tables.sql",),
    goes_with_message={"discord_chunks": ("message",)},
    forgets_person=("DELETE FROM discord_people WHERE CAST(person AS TEXT) = :id",),
    # Nothing that Discord has is said again, and nothing that was taken in from there is taken in again.
    carried_over=(
        "discord_channels",
        "discord_chunks",
        "discord_questions",
        "discord_relays",
        "discord_people",
        "discord_pairing_codes",
        "discord_state",
    ),
)

component = Component(
    name=GATEWAY,
    command="teamsup.workers.gateway.discord_gateway",
    section=GatewaySection,
    file_keys=("gateway.token_file",),
    secret_variables=("DISCORD_TOKEN",),
    # Discord allows a bot a thousand logins a day and then takes its token away.
    healthy_seconds=300.0,
    tables=_TABLES,
    rank=30,
)
