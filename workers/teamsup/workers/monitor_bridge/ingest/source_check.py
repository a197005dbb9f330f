"""Doctor's check of the sources of alerts."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from teamsup.config.loader import Config
from teamsup.hub import Agent, NotConfigured, Team
from teamsup.hub.timestamps import parse_time
from teamsup.terminal.findings import CommandHint, Finding, Verdict
from teamsup.terminal.formatting import format_age

from ...listen_address import ListenAddress, parse_address
from ...protocol import MONITOR_BRIDGE
from ..sections import MonitorSection
from ..source_section import DRY_RUN_HEADER, SourceSection

_ANSWER_SECONDS = 10.0


def check_sources(team: Team, agents: Mapping[str, Agent], call: CommandHint) -> list[Finding]:
    """Check each source: send a test alert through the port, remove it, and show the time of the source's
    last request.
    """
    try:
        config = Config(team)
        section = config.section(MONITOR_BRIDGE, MonitorSection)
        listen, prefix = section.listen, section.path_prefix.rstrip("/")
        sources = config.sections_of("source", SourceSection)
        listener = parse_address(listen) if sources else None
    except (NotConfigured, ValueError):
        return []  # the finding about the configuration says so
    bridge = agents.get(MONITOR_BRIDGE)
    traffic = {} if bridge is None else bridge.metadata.get("sources")
    received: Mapping[str, Mapping[str, object]] = traffic if isinstance(traffic, dict) else {}
    if listener is None:
        return []
    return [_check_source(name, source, listener, prefix, received, call) for name, source in sources.items()]


def _check_source(
    name: str,
    source: SourceSection,
    listener: ListenAddress,
    prefix: str,
    received: Mapping[str, Mapping[str, object]],
    call: CommandHint,
) -> Finding:
    moment = parse_time(str(received[name].get("last"))) if name in received else None
    last = f"last heard {format_age(moment)}" if moment is not None else "not heard yet"
    secret, missing = _read_secret(source)
    if missing:
        text = f"{missing}, so no test alert was sent; {last}"
        return Finding(f"source {name}", Verdict.WARNING, text, f"Set or correct it, then: {call('doctor')}")
    began = time.monotonic()
    try:
        status, server, answer = _send_rehearsal(f"{prefix}/{name}", listener, secret)
    except OSError as error:
        hint = f"See why with: {call('ps', MONITOR_BRIDGE)}"
        where = f"{listener.host} port {listener.port}"
        if isinstance(error, TimeoutError):
            text = f"{where} has not answered within {_ANSWER_SECONDS:.0f} s; {last}"
            return Finding(f"source {name}", Verdict.UNKNOWN, text, hint)
        text = f"nothing listens on {where}: {error.strerror or error}; {last}"
        return Finding(f"source {name}", Verdict.FAILED, text, hint)
    if status == 200 and server == "teamsup":
        milliseconds = (time.monotonic() - began) * 1000
        text = f"a test alert was stored in {milliseconds:.0f} ms and removed; {last}"
        return Finding(f"source {name}", Verdict.OK, text)
    if server != "teamsup":
        return Finding(
            f"source {name}",
            Verdict.FAILED,
            f"another program answers on {listener.host} port {listener.port}; {last}",
            f"Stop it, or change listen in [monitor-bridge], then: {call('reload')}",
        )
    hint = f"Let monitor-bridge load the configuration: {call('restart', MONITOR_BRIDGE)}"
    return Finding(f"source {name}", Verdict.FAILED, f"a test alert was refused with {status}: {answer}; {last}", hint)


def _read_secret(source: SourceSection) -> tuple[str, str]:
    """Return the secret, or the reason why this process cannot read it."""
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


def _send_rehearsal(path: str, listener: ListenAddress, secret: str) -> tuple[int, str, str]:
    """Return the status, the server and the answer. Raise OSError."""
    from http.client import HTTPConnection, HTTPException

    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listener.host, listener.host)  # noqa: S104 - where to ask
    connection = HTTPConnection(host, listener.port, timeout=_ANSWER_SECONDS)
    headers = {DRY_RUN_HEADER: "1", **({"Authorization": f"Bearer {secret}"} if secret else {})}
    try:
        connection.request("POST", path, b"", headers)
        answer = connection.getresponse()
        text = answer.read(1000).decode(errors="replace").strip()
        return answer.status, answer.headers.get("Server", ""), text
    except (HTTPException, UnicodeError) as error:
        return 0, "", repr(error)
    finally:
        connection.close()
