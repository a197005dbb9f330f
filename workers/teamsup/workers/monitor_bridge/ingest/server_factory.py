"""Make the HTTP server if teamsup.toml names sources."""

from typing import TYPE_CHECKING

from teamsup.config.loader import Config
from teamsup.hub import MessageHub, NotConfigured

from ...listen_address import parse_address
from ...worker import ReportState
from ..sections import MonitorSection
from ..source_section import SourceSection, check_sources
from .batch import PrepareAlerts, StoreAlerts

if TYPE_CHECKING:
    from .webhook_server import WebhookServer


def create_server(
    hub: MessageHub, settings: Config, store: StoreAlerts, prepare: PrepareAlerts, report: ReportState | None = None
) -> "WebhookServer | None":
    """Return the server for the sources of teamsup.toml, if there are any. Raise NotConfigured."""
    section = settings.section("monitor-bridge", MonitorSection)
    listen = section.listen
    sources = settings.sections_of("source", SourceSection)
    try:
        check_sources(listen, sources)
    except ValueError as error:
        raise NotConfigured(f"{settings.path}: {error}.") from error
    if not sources:
        return None
    from .webhook_server import WebhookServer  # imports an HTTP server, which most teams do not need

    return WebhookServer(
        hub,
        store,
        parse_address(listen),
        sources,
        hosts=section.hosts,
        trusted_proxies=section.trusted_proxies,
        prepare=prepare,
        report=report,
        path_prefix=section.path_prefix,
    )
