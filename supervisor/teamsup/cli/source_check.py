"""Doctor's checks of sources of alerts and of Discord."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from teamsup.config.loader import Config
from teamsup.config.sections import GatewaySection, MonitorSection
from teamsup.config.source_section import ListenAddress, SourceSection, parse_address
from teamsup.hub import Agent, NotConfigured, Team
from teamsup.hub.timestamps import parse_time
from teamsup.terminal.formatting import format_age

from .findings import CommandHint, Finding, Verdict
from .team_check import is_not_configured
from .team_status import TeamStatus

REHEARSAL_HEADER = "Teamsup-Rehearsal"
"""The header of a request that monitor-bridge takes back in the end; see its ``listener``."""

MONITOR_BRIDGE, GATEWAY = "monitor-bridge", "gateway"
_ANSWER_SECONDS = 10.0


def check_sources(team: Team, agents: Mapping[str, Agent], call: CommandHint) -> list[Finding]:
    """Check each source: send a test alert through the port and take it back, and show when the source was last
    heard.
    """
    try:
        config = Config(team)
        listen = config.section(MONITOR_BRIDGE, MonitorSection).listen
        sources = config.sections_of("source", SourceSection)
        place = parse_address(listen) if sources else None
    except (NotConfigured, ValueError):
        return []  # the finding about the configuration says so
    bridge = agents.get(MONITOR_BRIDGE)
    heard = {} if bridge is None else bridge.metadata.get("heard")
    times: Mapping[str, object] = heard if isinstance(heard, dict) else {}
    return (
        [] if place is None else [_check_source(name, source, place, times, call) for name, source in sources.items()]
    )


def _check_source(
    name: str, source: SourceSection, place: ListenAddress, heard: Mapping[str, object], call: CommandHint
) -> Finding:
    moment = parse_time(str(heard[name])) if name in heard else None
    last = f"last heard {format_age(moment)}" if moment is not None else "not heard yet"
    secret, missing = _read_secret(source)
    if missing:
        text = f"{missing}, so no test alert was sent; {last}"
        return Finding(f"source {name}", Verdict.WARNING, text, "Run doctor where the secret is readable.")
    began = time.monotonic()
    try:
        status, server, said = _send_rehearsal(name, place, secret)
    except OSError as error:
        hint = f"See why with: {call('ps', MONITOR_BRIDGE)}"
        text = f"nothing listens on {place.host} port {place.port}: {error.strerror or error}; {last}"
        return Finding(f"source {name}", Verdict.FAILED, text, hint)
    if status == 200 and server == "teamsup":
        milliseconds = (time.monotonic() - began) * 1000
        text = f"a test alert was stored in {milliseconds:.0f} ms and taken back; {last}"
        return Finding(f"source {name}", Verdict.OK, text)
    if server != "teamsup":
        return Finding(
            f"source {name}",
            Verdict.FAILED,
            f"another program answers on {place.host} port {place.port}; {last}",
            f"Stop it, or change listen in [monitor-bridge], then: {call('reload')}",
        )
    hint = f"Let monitor-bridge load the configuration: {call('restart', MONITOR_BRIDGE)}"
    return Finding(f"source {name}", Verdict.FAILED, f"a test alert was refused with {status}: {said}; {last}", hint)


def _read_secret(source: SourceSection) -> tuple[str, str]:
    """Return the secret, and why it is not readable here."""
    if source.secret_variable:
        secret = os.environ.get(source.secret_variable, "").strip()
        return secret, "" if secret else f"its secret is in ${source.secret_variable}, which is not set here"
    if not source.secret_file:
        return "", ""
    file = Path(os.path.expandvars(source.secret_file)).expanduser()
    try:
        return file.read_text("utf-8").strip(), ""
    except (OSError, ValueError) as error:
        return "", f"its secret in {file} cannot be read: {getattr(error, 'strerror', None) or error}"


def _send_rehearsal(name: str, place: ListenAddress, secret: str) -> tuple[int, str, str]:
    """Return the status, the server and the answer. Raise OSError."""
    from http.client import HTTPConnection, HTTPException

    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(place.host, place.host)  # noqa: S104 - where to ask
    connection = HTTPConnection(host, place.port, timeout=_ANSWER_SECONDS)
    headers = {REHEARSAL_HEADER: "1", **({"Authorization": f"Bearer {secret}"} if secret else {})}
    try:
        connection.request("POST", f"/{name}", b"", headers)
        answer = connection.getresponse()
        said = answer.read(1000).decode(errors="replace").strip()
        return answer.status, answer.headers.get("Server", ""), said
    except (HTTPException, UnicodeError) as error:
        return 0, "", repr(error)
    finally:
        connection.close()


def check_discord(team: Team, team_status: TeamStatus, call: CommandHint) -> list[Finding]:
    """Return the state of the gateway's connection, and who on Discord may write to the team."""
    row = next((row for row in team_status.rows if row.name == GATEWAY), None)
    if row is None or team_status.pid is None or not row.well:
        return []  # who is not well has a finding of its own
    if is_not_configured(row):
        return [Finding("discord", Verdict.OK, f"it is not configured. {row.note}")]
    found = [Finding("discord", Verdict.OK, row.note or row.state)]
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
