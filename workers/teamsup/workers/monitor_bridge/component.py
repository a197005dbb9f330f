"""monitor-bridge as a component of a team."""

from pathlib import Path

from teamsup.config.components import CommandHook, Component
from teamsup.config.loader import Config
from teamsup.config.people_protocol import USER_COMM, CommandArgument, CommandDefinition
from teamsup.hub.engines.component_tables import ComponentTables

from ..protocol import MONITOR_BRIDGE
from .sections import AlertRouteSection, MonitorSection, MuteSection, PersonSection, RotaSection, WatchdogSection
from .source_section import SourceSection, check_sources

_SCHEMA = Path(__file__).with_name("schema")
_TABLES = ComponentTables(
    MONITOR_BRIDGE,
    scripts=(
        _SCHEMA / "1-tables.sql",
        _SCHEMA / "2-people.sql",
        _SCHEMA / "3-steps.sql",
        _SCHEMA / "4-mutes.sql",
        _SCHEMA / "5-pings.sql",
    ),
    goes_with_message={"incident_messages": ("message",)},
    # The incident stays acknowledged, so that it is not escalated again. Older rows have no id.
    forgets_person=(
        "UPDATE incidents SET acknowledged_by = 'somebody', acknowledged_by_id = NULL"
        " WHERE acknowledged_by_id = :name OR acknowledged_by = :name"
        " OR ('console-' || acknowledged_by = :name AND substr(acknowledged_by_id, 1, 8) = 'console-')",
        "UPDATE incident_groups SET responded_by = 'somebody', responded_by_id = NULL"
        " WHERE responded_by_id = :name OR responded_by = :name"
        " OR ('console-' || responded_by = :name AND substr(responded_by_id, 1, 8) = 'console-')",
        # A mute also stays, so that people are not notified of handled incidents.
        "UPDATE mutes SET created_by = 'somebody', created_by_id = NULL WHERE created_by_id = :name"
        " OR ('console-' || created_by = :name AND substr(created_by_id, 1, 8) = 'console-')",
        "UPDATE incidents SET mute_by = 'somebody', mute_by_id = NULL WHERE mute_by_id = :name"
        " OR ('console-' || mute_by = :name AND substr(mute_by_id, 1, 8) = 'console-')",
    ),
)


def _check(config: Config) -> None:
    check_sources(config.section(MONITOR_BRIDGE, MonitorSection).listen, config.sections_of("source", SourceSection))
    for name in config.names_of("mute"):
        if name.isdecimal():
            raise ValueError(f"[mute.{name}]: a number is reserved for the mutes that people make; choose a word")
    people = config.names_of("person")
    for name, rota in config.sections_of("rota", RotaSection).items():
        if unknown := next((each for each in rota.people if each not in people), None):
            raise ValueError(f"[rota.{name}] names {unknown}, but there is no [person.{unknown}]")


def _command_hook(config: Config) -> CommandHook:
    section = config.section(MONITOR_BRIDGE, MonitorSection)
    return CommandHook(
        MONITOR_BRIDGE,
        section.command,
        section.command_seconds,
        section.ack_timeout_seconds,
        notifies=(USER_COMM,),
    )


component = Component(
    name=MONITOR_BRIDGE,
    command="teamsup.workers.monitor_bridge.bridge",
    section=MonitorSection,
    groups={
        "source": SourceSection,
        "alert_route": AlertRouteSection,
        "mute": MuteSection,
        "person": PersonSection,
        "rota": RotaSection,
        "watchdog": WatchdogSection,
    },
    check=_check,
    file_keys=("source.secret_file",),
    secret_keys=("source.secret_variable",),
    command_hook=_command_hook,
    checks="teamsup.workers.monitor_bridge.ingest.source_check:check_sources",
    entries="teamsup.workers.monitor_bridge.entries.incident_source:sources",
    people_commands=(
        CommandDefinition("alerts", "list open incidents", worker=MONITOR_BRIDGE, request="alerts"),
        CommandDefinition(
            "ack",
            "acknowledge an alert: you work on it",
            (CommandArgument("id", "the alert's number"),),
            worker=MONITOR_BRIDGE,
            request="ack",
        ),
        CommandDefinition(
            "mute",
            "stop notifications about alerts for a time",
            (
                CommandArgument("what", "alerts' numbers, or labels, such as job=backup severity!=critical"),
                CommandArgument("time", "how long, such as 30m or 2h; an hour by default", is_optional=True),
            ),
            worker=MONITOR_BRIDGE,
            request="mute",
        ),
        CommandDefinition("oncall", "show who is on call", worker=MONITOR_BRIDGE, request="oncall"),
        CommandDefinition(
            "mutes", "list what is muted, until when and by whom", worker=MONITOR_BRIDGE, request="mutes"
        ),
        CommandDefinition(
            "unmute",
            "end a mute",
            (CommandArgument("id", "the mute's number"),),
            worker=MONITOR_BRIDGE,
            request="unmute",
        ),
    ),
    metrics="teamsup.workers.monitor_bridge.entries.figures:read_figures",
    tables=_TABLES,
    rank=20,
)
