"""Doctor's check of Discord."""

from collections.abc import Mapping
from datetime import UTC, datetime

from teamsup.config.loader import Config
from teamsup.hub import Agent, NotConfigured, Team
from teamsup.hub.models import NOT_CONFIGURED
from teamsup.terminal.findings import CommandHint, Finding, Verdict

from ...protocol import GATEWAY
from ..component import GatewaySection


def check_discord(team: Team, agents: Mapping[str, Agent], call: CommandHint) -> list[Finding]:
    """Return the state of the gateway's connection, and the users on Discord who may write to the team."""
    gateway = agents.get(GATEWAY)
    if gateway is None:
        return []
    note = str(gateway.metadata.get("note") or gateway.status)
    if gateway.status == NOT_CONFIGURED and gateway.metadata.get("optional"):
        return [Finding("discord", Verdict.OK, f"it is not configured. {note}")]
    if not gateway.is_present(datetime.now(UTC)) or gateway.degraded:
        return []  # doctor has another finding about each worker that is not well
    found = [Finding("discord", Verdict.OK, note)]
    try:
        section = Config(team).section(GATEWAY, GatewaySection)
    except NotConfigured:
        return found
    listed = [
        f"{len(numbers)} {what}"
        for what, numbers in (
            ("users", section.users),
            ("roles", section.roles),
            ("channels", section.channels),
            ("servers", section.guilds),
        )
        if numbers
    ]
    who = f"teamsup.toml admits {', '.join(listed)}" if listed else "teamsup.toml admits nobody"
    hint = f"List paired users with: {call('pair', '--list')}; admit one with: {call('pair')}"
    return [*found, Finding("discord", Verdict.OK, who, hint)]
