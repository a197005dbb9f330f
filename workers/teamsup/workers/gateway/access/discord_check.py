"""Doctor's check of Discord."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime

from teamsup.config.loader import Config
from teamsup.hub import Agent, NotConfigured, OptionalNotConfigured, Team
from teamsup.hub.models import NOT_CONFIGURED
from teamsup.terminal.findings import CommandHint, Finding, Verdict

from ...protocol import GATEWAY
from ..component import GatewaySection
from ..connection.token import find_token

_PORTAL = "https://discord.com/developers/applications"


def check_discord(team: Team, agents: Mapping[str, Agent], call: CommandHint) -> list[Finding]:
    """Return the form of the token, the state of the connection, and who may write to the team."""
    try:
        section = Config(team).section(GATEWAY, GatewaySection)
    except NotConfigured:
        section = None  # the finding about the configuration says so
    token = [] if section is None else _check_token(section, call)
    gateway = agents.get(GATEWAY)
    if gateway is None:
        return token
    note = str(gateway.metadata.get("note") or gateway.status)
    if gateway.status == NOT_CONFIGURED and gateway.metadata.get("optional"):
        return [*token, Finding("discord", Verdict.OK, f"it is not configured. {note}")]
    if not gateway.is_present(datetime.now(UTC)) or gateway.degraded:
        return token  # doctor has another finding about each worker that is not well
    found = [*token, Finding("discord", Verdict.OK, note)]
    return found if section is None else [*found, _describe_admitted(section, call)]


def _check_token(section: GatewaySection, call: CommandHint) -> list[Finding]:
    """Check whether the token can be read, and looks like a token. Return no finding if there is no token here."""
    try:
        token = find_token(section, dict(os.environ))
    except OptionalNotConfigured:
        return []
    except NotConfigured as error:
        hint = f"Correct it, then: {call('reload')}"
        return [Finding("discord token", Verdict.FAILED, str(error).rstrip("."), hint)]
    if not token.is_well_formed:
        text = "it does not look like a bot's token, which has two dots; a client secret has none"
        hint = f"Copy the token from the bot's page in the portal: {_PORTAL}; then: {call('reload')}"
        return [Finding("discord token", Verdict.WARNING, text, hint)]
    return [Finding("discord token", Verdict.OK, "it looks like the token of a bot")]


def _describe_admitted(section: GatewaySection, call: CommandHint) -> Finding:
    listed = [
        f"{len(numbers)} {what if len(numbers) > 1 else what[:-1]}"
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
    return Finding("discord", Verdict.OK, who, hint)
