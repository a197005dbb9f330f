"""Whether there is anybody to be heard over HTTP."""

from typing import TYPE_CHECKING

from teamsup.hub import MessageHub, NotConfigured
from teamsup.hub.sections import MonitorSection
from teamsup.hub.settings import Settings
from teamsup.hub.source_section import SourceSection, address, check_sources

from .intake import Prepare, Take

if TYPE_CHECKING:
    from .listener import Listener, Report


def listener(
    hub: MessageHub, settings: Settings, take: Take, prepare: Prepare, report: "Report | None" = None
) -> "Listener | None":
    """What hears the sources of teamsup.toml, if there are any. Raises NotConfigured."""
    section = settings.section("monitor-bridge", MonitorSection)
    listen = section.listen
    sources = settings.group("source", SourceSection)
    try:
        check_sources(listen, sources)
    except ValueError as error:
        raise NotConfigured(f"{settings.path}: {error}.") from error
    if not sources:
        return None
    from .listener import Listener  # brings an HTTP server with it, which most teams need not

    return Listener(
        hub,
        take,
        address(listen),
        sources,
        hosts=section.hosts,
        trusted_proxies=section.trusted_proxies,
        prepare=prepare,
        report=report,
    )
