"""A component: a worker with everything that belongs to it.

A distribution names its workers in the entry-point group ``teamsup.workers``: ``NAME = "module:attribute"``, where the
attribute is a Component. The supervisor and the command line import that module, so it must be light. It imports
neither the worker nor the worker's libraries.
"""

import functools
import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from teamsup.hub import MessageHub, Team
from teamsup.hub.engines.component_tables import ComponentTables as ComponentTables
from teamsup.hub.errors import InvalidName
from teamsup.hub.models import SUPERVISOR
from teamsup.hub.team import normalize_agent_name

from .entry_points import EntryPoint, describe_collision, find_entry_points
from .loader import Config
from .people_protocol import PEOPLE_COMMANDS, CommandDefinition

if TYPE_CHECKING:
    from .entries import EntrySource  # only pages need it, and most processes show none

WORKER_GROUP = "teamsup.workers"
"""The entry points that name components."""
_COMMAND_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_MAX_HELP_CHARACTERS = 100
_COMMON_SECTIONS = frozenset({"team", "metrics", "worker"})
"""Sections that belong to no component."""


@dataclass(frozen=True)
class CommandHook:
    """The command that the supervisor runs when the hub, or the worker that watches the team, fails for
    ``after_seconds``.
    """

    worker: str
    command: tuple[str, ...] = ()
    timeout_seconds: float = 30.0
    after_seconds: float = 180.0
    notifies: tuple[str, ...] = ()
    """The agents that the worker itself notifies of a crash loop and a degraded worker, so that they do not get a
    second notice.
    """


@dataclass(frozen=True)
class ComponentMetric:
    """Figures of a component for Prometheus, as ``teamsup_COMPONENT_NAME``. A sample consists of its labels and its
    value.
    """

    name: str
    help: str
    samples: tuple[tuple[Mapping[str, str], float], ...]
    kind: Literal["gauge", "counter"] = "gauge"


@dataclass(frozen=True)
class Component:
    """A worker of teamsup. teamsup checks its section, and starts and watches its process, as for any other worker."""

    name: str
    command: str | tuple[str, ...] = ()
    """The module that is run as ``python -m MODULE --team NAME``, or a program with its arguments."""
    section: type[Any] | None = None
    """The dataclass of [NAME]: its fields are the keys. None if there is no such section."""
    groups: Mapping[str, type[Any]] = field(default_factory=dict)
    """Repeatable sections: {"message_route": MessageRouteSection} is [message_route.X]."""
    check: Callable[[Config], None] | None = None
    """Raises ValueError with one sentence if each section is valid but they contradict each other."""
    follows_sections: bool = False
    """Whether the worker itself reads a saved teamsup.toml, so that a change of its sections does not need a reload or
    a restart.
    """
    file_keys: tuple[str, ...] = ()
    """Keys whose values are files that the worker reads at its start, such as "source.secret_file"."""
    secret_variables: tuple[str, ...] = ()
    """Environment variables with a secret of this worker. Other workers do not get them."""
    secret_keys: tuple[str, ...] = ()
    """Keys, such as "source.secret_variable", whose values are names of such environment variables."""
    takes_over_runs: bool = False
    """Whether its worker starts processes with the mark TEAMSUP_RUN. They outlive the worker and the supervisor, and
    the next worker takes them over. They end at ``teamsup stop``, or when the team is started without this worker.
    """
    healthy_seconds: float = 60.0
    """Seconds of running after which its earlier crashes are forgotten. This is also the longest delay of a restart."""
    command_hook: Callable[[Config], CommandHook] | None = None
    """The command hook of a worker that watches the team: it runs if that worker itself fails."""
    checks: str = ""
    """The function, "module:function", whose findings ``teamsup doctor`` shows. It gets the Team, all agents by name,
    and a function that turns words into a command line to paste."""
    online_checks: str = ""
    """The same for ``teamsup doctor --online``: a function that asks services outside of this machine. A question
    without an answer after some seconds is Verdict.UNKNOWN.
    """
    metrics: str = ""
    """The function, "module:function", that returns ComponentMetrics. It gets the open hub, in a thread of the
    supervisor, so its module must be light."""
    entries: str = ""
    """The function, "module:function", that returns its EntrySources: the entries that pages show besides
    its messages.
    """
    terminal_command: tuple[str, ...] = ()
    """The words of a teamsup command that ``teamsup start`` runs, only in a terminal, once the team is ready."""
    people_commands: tuple[CommandDefinition, ...] = ()
    """Commands that people can write to it, such as ``/alerts``. user_comm forwards them and returns the answers."""
    tables: ComponentTables | None = None
    """Its tables in the team's database. Its worker and ``teamsup start`` create and migrate them."""
    sends_heartbeats: bool = True
    """Whether its worker takes part in the hub. A worker without heartbeats does not have a mailbox, and counts as
    running if it stays up for some time.
    """
    has_guests: bool = False
    """Whether the processes that its worker starts belong to others. They outlive the worker, and are not orphans."""
    rank: int = 50
    """Components with a lower number are started and shown first."""
    fault: str = ""
    """The reason why the component could not be loaded; empty if it was loaded."""

    @property
    def section_names(self) -> tuple[str, ...]:
        """The names of this worker's sections, without [worker.NAME]. For a component that could not be loaded, [NAME]
        is allowed.
        """
        return (*((self.name,) if self.section is not None or self.fault else ()), *self.groups)

    def read_sections(self, config: Config) -> tuple[object, ...]:
        """Return the values of its sections in a stable order. Raise NotConfigured for a mistake in one."""
        own = () if self.section is None else (config.section(self.name, self.section),)
        return (*own, *(tuple(config.sections_of(name, kind).items()) for name, kind in self.groups.items()))

    def check_sections(self, config: Config) -> None:
        """Raise NotConfigured or ValueError for a mistake in its sections, or between them."""
        self.read_sections(config)
        if self.check is not None:
            self.check(config)

    def read_keys(self, tables: Mapping[str, Any], keys: tuple[str, ...]) -> Iterator[str]:
        """Yield the texts under keys such as "source.secret_file", also in sections that have a mistake."""
        for key in keys:
            section, _, name = key.partition(".")
            table = tables.get(section)
            parts = table.values() if section in self.groups and isinstance(table, Mapping) else (table,)
            for part in parts:
                if isinstance(part, Mapping) and isinstance(value := part.get(name), str) and value:
                    yield value


def open_hub(component: Component, team: Team) -> MessageHub:
    """Open the hub for a command of a component, with its tables. Raise UnusableComponent and StoreError."""
    hub = MessageHub(team)
    try:
        if component.tables is not None:
            hub.maintenance.use_component(component.tables)
    except BaseException:
        hub.close()
        raise
    return hub


@functools.cache
def installed_components() -> Mapping[str, Component]:
    """Return the components of all installed distributions by name, in the order of starting.

    A component that cannot be loaded has a ``fault``. The other components still run.
    """
    found = [_load(name, points) for name, points in find_entry_points(WORKER_GROUP).items()]
    owners = dict.fromkeys(_COMMON_SECTIONS, "the team")
    commands = {command.name: command.worker for command in PEOPLE_COMMANDS}
    checked = {}
    for component in sorted(found, key=lambda each: (each.rank, each.name)):
        taken = next((name for name in component.section_names if name in owners), None)
        if component.fault:
            checked[component.name] = component
        elif taken is not None:
            fault = f"The worker {component.name} brings a section [{taken}], which is that of {owners[taken]}."
            checked[component.name] = Component(component.name, fault=fault)
        elif command := next((each for each in component.people_commands if not _is_usable(each, commands)), None):
            fault = f"The command /{command.name} of {component.name} is taken, or is not one that Discord allows."
            checked[component.name] = Component(component.name, fault=fault)
        else:
            commands |= {command.name: component.name for command in component.people_commands}
            owners |= dict.fromkeys(component.section_names, component.name)
            checked[component.name] = component
    return checked


@functools.cache
def run_owners() -> frozenset[str]:
    """Return the workers that take over the runs of agents."""
    return frozenset(each.name for each in installed_components().values() if each.takes_over_runs)


def load_function(name: str) -> Callable[..., Any]:
    """Import "module:function". Raise ImportError and AttributeError."""
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


@functools.cache
def entry_sources() -> "tuple[EntrySource, ...]":
    """Return the sources of all installed components. Raise ImportError and AttributeError for a wrong name."""
    return tuple(
        source for each in installed_components().values() if each.entries for source in load_function(each.entries)()
    )


@functools.cache
def people_commands() -> tuple[CommandDefinition, ...]:
    """Return every command that people can write to the team, in the order in which help shows them."""
    of_components = (command for each in installed_components().values() for command in each.people_commands)
    return *PEOPLE_COMMANDS, *of_components


def find_command(name: str) -> CommandDefinition | None:
    """Return the command of people with this name, in lower case."""
    return next((command for command in people_commands() if command.name == name), None)


def _is_usable(command: CommandDefinition, taken: Mapping[str, str]) -> bool:
    """Return whether a component may define this command. If Discord refuses one command, it refuses all."""
    names = (command.name, *(argument.name for argument in command.arguments))
    texts = (command.help, *(argument.help for argument in command.arguments))
    return (
        command.name not in taken
        and all(map(_COMMAND_NAME.fullmatch, names))
        and all(1 <= len(text) <= _MAX_HELP_CHARACTERS for text in texts)
    )


def installed_tables() -> list[ComponentTables]:
    """Return the tables of all installed components, for the hub's maintenance."""
    return [each.tables for each in installed_components().values() if each.tables is not None]


@functools.cache
def component_names() -> frozenset[str]:
    """Return the names of all installed components without importing them."""
    return frozenset(find_entry_points(WORKER_GROUP))


def normalize_session_agent(name: str) -> str:
    """Return the normalised agent name for a Claude Code session. Raise InvalidName for the name of a worker or the
    supervisor."""
    folded = normalize_agent_name(name)
    if folded in (*component_names(), SUPERVISOR):
        raise InvalidName(f"{name!r} is a part of the team itself; choose another name.")
    return folded


def _load(name: str, points: tuple[EntryPoint, ...]) -> Component:
    if len(points) > 1:
        return Component(name, fault=describe_collision("worker", name, points))
    value = points[0].value
    module, _, attribute = value.partition(":")
    try:
        if normalize_agent_name(name) != name or name == SUPERVISOR:
            raise ValueError("it needs a name of its own, in small letters")
        component = getattr(importlib.import_module(module), attribute or "component")
        if not isinstance(component, Component) or component.name != name:
            raise ValueError(f"{value} is not a Component of that name")
        if component.tables is not None and component.tables.component != name:
            raise ValueError(f"its tables are those of {component.tables.component!r}. Give them the name {name!r}")
    except (Exception, SystemExit) as error:
        why = str(error).rstrip(".") or type(error).__name__
        return Component(name, fault=f"The worker {name} cannot be loaded from {value}: {why}.")
    return component
