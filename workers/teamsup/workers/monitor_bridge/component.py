"""monitor-bridge as a component of a team."""

from teamsup.config.components import CommandHook, Component
from teamsup.config.loader import Config
from teamsup.config.sections import AlertRouteSection, MonitorSection, WatchdogSection
from teamsup.config.source_section import SourceSection, check_sources

_NAME = "monitor-bridge"


def _check(config: Config) -> None:
    check_sources(config.section(_NAME, MonitorSection).listen, config.sections_of("source", SourceSection))


def _command_hook(config: Config) -> CommandHook:
    section = config.section(_NAME, MonitorSection)
    return CommandHook(_NAME, section.command, section.command_seconds, section.ack_timeout_seconds)


component = Component(
    name=_NAME,
    command="teamsup.workers.monitor_bridge.bridge",
    section=MonitorSection,
    groups={"source": SourceSection, "alert_route": AlertRouteSection, "watchdog": WatchdogSection},
    check=_check,
    file_keys=("source.secret_file",),
    secret_keys=("source.secret_variable",),
    command_hook=_command_hook,
    rank=20,
)
