"""The structure: who may import whom, no circle, small folders, one class a name, no attribute set from outside."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, combinations

import pytest

from helpers.import_graph import graph, modules, modules_named_in
from helpers.source_tree import ROOT, ROOTS, nodes_in, nodes_of

# Each package with what it may import beside itself, from the ground floor up.
FLOORS = {
    "hub": set(),
    "config": {"hub"},
    "terminal": {"hub", "config"},
    "status": {"hub", "config", "terminal"},
    "claude_code": {"hub", "config", "terminal"},
    "supervisor": {"hub", "config", "terminal", "status"},
    "workers": {"hub", "config", "terminal", "status", "claude_code"},
    "cli": {"hub", "config", "terminal", "status", "claude_code", "supervisor"},
}
# One worker knows no other; what they share stands directly in workers.
WORKERS = sorted(file.parent.name for file in (ROOT / "workers/teamsup/workers").glob("*/component.py"))
ENGINES = tuple(f"teamsup.hub.engines.{name}" for name in ("sqlite", "postgresql", "copying"))
# The modules that are named from below, and why.
NAMED_UPWARDS = {
    "teamsup.config.components names teamsup.workers": "the name of the group of entry points",
    "teamsup.terminal.hints names teamsup.cli": "a hint shows the command as the person has called it",
}
# The modules outside of workers that have a worker's name in a text, and why.
NAMES_A_WORKER = {
    "teamsup.config.people_protocol": "user_comm is the address of people, for any program",
    "teamsup.config.startable_agents": "agent-runner is the address for what starts agents, for any program",
    "teamsup.config.renamed": "a key that was renamed is refused with its section",
    "teamsup.cli.completion.suggestions": "people type web when they mean teamsup open",
}
# The modules of workers that end the delivery of a message, and why.
ENDS_DELIVERIES = {
    "gateway.app": "the loop of the worker",
    "user_comm.user_comm_daemon": "the loop of the worker",
    "monitor_bridge.message_handler": "what the loop of the worker calls for each message",
    "agent_runner.agent_runner": "the loop of the worker",
    "agent_runner.starts.dispatcher": "it claims for an agent whose run is over, or whose session reads again",
    "agent_runner.run_conclusion": "it ends what a run has done, under the agent's name",
    "monitor_bridge.entries.command_request": "a command of a person reads the answer to its request",
    "monitor_bridge.demo.agent_story": "the person of the demo",
    "monitor_bridge.demo.alert_story": "the agent of the demo",
    "monitor_bridge.demo.demo_team": "the person of the demo",
}
MODULES_A_FOLDER = 14
LINES_A_MODULE = 350


def floor(name: str) -> str:
    """Return the package of teamsup that a module is in."""
    return name.split(".")[1]


def test_imports_point_downwards() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, targets in graph().items()
        for target in sorted(targets)
        if floor(target) != floor(name) and floor(target) not in FLOORS[floor(name)]
    ]
    assert wrong == []


def test_a_module_that_is_imported_or_run_by_its_name_is_below_too() -> None:
    """As in ``import_module("teamsup.config.loader")`` and ``("-m", "teamsup.terminal.command_hook")``."""
    wrong = {
        f"{name} names {target}"
        for name, path in modules().items()
        for target in modules_named_in(nodes_of(path))
        if (floor(target) != floor(name) and floor(target) not in FLOORS[floor(name)])
        or ({part(name), part(target)} <= {*WORKERS} and part(name) != part(target))
    }
    assert wrong - NAMED_UPWARDS.keys() == set()
    assert NAMED_UPWARDS.keys() - wrong == set()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import_module('teamsup.config.loader')", ["teamsup.config.loader"]),
        ("getattr(import_module('teamsup.config'), 'loader:Config')", ["teamsup.config"]),
        ("'teamsup.config.loader:Config'", ["teamsup.config.loader"]),
        ("f'teamsup.config.{name}'", ["teamsup.config"]),
        ("'teamsup.toml'; 'see teamsup.config'; 'teamsup.config_file'", []),
    ],
)
def test_a_module_is_seen_in_a_text(source: str, found: list[str]) -> None:
    assert list(modules_named_in(nodes_in(source))) == found


def test_only_the_choice_of_the_engine_knows_which_engines_there_are() -> None:
    """What all of them do stands in engines/engine.py."""
    inside = "teamsup.hub.engines."
    wrong = [
        f"{name} imports {target}"
        for name, targets in graph().items()
        for target in sorted(targets)
        if target.startswith(ENGINES) and not name.startswith(ENGINES) and name != f"{inside}choice"
    ]
    drivers = [
        f"{name} imports {alias.name}"
        for name, path in modules().items()
        for node in nodes_of(path)
        if isinstance(node, ast.Import) and not name.startswith(ENGINES)
        for alias in node.names
        if alias.name in ("sqlite3", "psycopg")
    ]
    assert (wrong, drivers) == ([], [])


def test_a_worker_knows_no_other() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, targets in graph().items()
        for target in sorted(targets)
        for one, other in combinations(WORKERS, 2)
        if {part(name), part(target)} == {one, other}
    ]
    assert wrong == []


def test_only_workers_know_a_worker_by_its_name() -> None:
    """What is special about one worker stands in its component."""
    workers = {worker for name in WORKERS for worker in (name, name.replace("_", "-"))}
    found = {
        name
        for name, path in modules().items()
        if floor(name) != "workers"
        for node in nodes_of(path)
        if isinstance(node, ast.Constant) and node.value in workers
    }
    assert found == NAMES_A_WORKER.keys()


def test_the_supervisor_knows_no_worker_by_a_constant_either() -> None:
    workers = {name.upper() for name in WORKERS}
    wrong = [
        f"{name}:{node.lineno}: {node.id}"
        for name, path in modules().items()
        if floor(name) == "supervisor"
        for node in nodes_of(path)
        if isinstance(node, ast.Name) and node.id in workers
    ]
    assert wrong == []


def test_a_handler_says_what_came_of_a_message_and_the_loop_ends_its_delivery() -> None:
    found = {
        name.removeprefix("teamsup.workers.")
        for name, path in modules().items()
        if floor(name) == "workers" and any(ends_delivery(node) for node in nodes_of(path))
    }
    assert found == ENDS_DELIVERIES.keys()


@pytest.mark.parametrize(
    ("source", "is_found"),
    [
        ("self._hub.acknowledge(delivery)", True),
        ("hub.release(delivery, delay=3)", True),
        ("self.hub().acknowledge(delivery)", True),
        ("lock.release()", False),
        ("self._acknowledge(respond)", False),
        ("acknowledgements.acknowledge(words, author)", False),
    ],
)
def test_the_end_of_a_delivery_is_seen(source: str, *, is_found: bool) -> None:
    assert any(ends_delivery(node) for node in nodes_in(source)) is is_found


def ends_delivery(node: ast.AST) -> bool:
    """Return whether a delivery is acknowledged or released here. A reply belongs to a text that is sent."""
    match node:
        case ast.Call(func=ast.Attribute(attr="acknowledge" | "release", value=owner), args=[_, *_]):
            return "acknowledgements" not in ast.unparse(owner)
    return False


def part(name: str) -> str:
    """Return the worker that a module belongs to; empty for any other."""
    steps = name.split(".")
    return steps[2] if floor(name) == "workers" and len(steps) > 2 else ""


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert [sorted(circle) for circle in circles(graph())] == []


def circles(imports: Mapping[str, frozenset[str]]) -> list[set[str]]:
    """Return the sets of names that reach each other by imports."""
    reach: dict[str, set[str]] = {}
    for name in imports:
        seen: set[str] = set()
        todo = list(imports[name])
        while todo:
            step = todo.pop()
            if step not in seen:
                seen.add(step)
                todo += imports[step]
        reach[name] = seen
    rings = {frozenset({name} | {other for other in reach[name] if name in reach[other]}) for name in imports}
    return [set(ring) for ring in rings if len(ring) > 1]


@pytest.mark.parametrize("root", ROOTS)
def test_a_folder_can_be_seen_at_a_glance(root: str) -> None:
    large = {}
    for folder in (ROOT / root / "teamsup").rglob("*"):
        if folder.is_dir() and folder.name not in ("commands", "schema", "__pycache__"):
            entries = [x for x in folder.iterdir() if x.name != "schema" and not x.name.startswith("__")]
            # A checkout keeps the compiled modules of a folder that has gone.
            inside = [x for x in entries if x.suffix == ".py" or any(y.is_file() for y in x.rglob("*[!c]"))]
            if len(inside) > MODULES_A_FOLDER:
                large[folder.relative_to(ROOT).as_posix()] = len(inside)
    assert large == {}


def test_a_module_can_be_read_at_once() -> None:
    sizes = {name: path.read_text().count("\n") for name, path in modules().items()}
    assert {name: lines for name, lines in sizes.items() if lines > LINES_A_MODULE} == {}


def test_no_two_public_classes_share_a_name() -> None:
    homes = defaultdict(list)
    for name, path in modules().items():
        for node in nodes_of(path):
            if isinstance(node, ast.ClassDef) and not node.col_offset and not node.name.startswith("_"):
                homes[node.name].append(name)
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


def test_no_folders_of_a_component_import_each_other_in_a_circle() -> None:
    """Move what both need down: to a folder of its own, to the one that imports less, or to the folder above."""
    assert [sorted(circle) for circle in circles(folder_graph())] == []


def folder_graph() -> dict[str, frozenset[str]]:
    """Return what each folder imports of the folders beside it, with all that is inside of both."""
    imported: dict[str, set[str]] = defaultdict(set)
    for name, targets in graph().items():
        for target in targets:
            ours, theirs = folder_of(name), folder_of(target)
            shared = next((at for at, (x, y) in enumerate(zip(ours, theirs, strict=False)) if x != y), None)
            if shared is not None and shared > 1:
                imported[".".join(ours[: shared + 1])].add(".".join(theirs[: shared + 1]))
    return {name: frozenset(imported[name]) for name in {*imported, *chain.from_iterable(imported.values())}}


def folder_of(name: str) -> tuple[str, ...]:
    """Return the steps of the dotted name of the folder that a module is in."""
    steps = tuple(name.split("."))
    return steps if modules()[name].name == "__init__.py" else steps[:-1]


# Whose attributes another object sets, by module and expression, and why.
SET_FROM_OUTSIDE = {
    "hub.engines.signal_safety: error": "the exception leaves the block with the trace that it came with",
    "hub.engines.signal_safety: scope": "the scope and what leaves it are one class in two",
    "hub.engines.signal_safety: scope.exit_guard": "a weak reference takes no further argument",
    "hub.engines.sqlite.connection: db": "sqlite3 sets a connection up so",
    "hub.engines.sqlite.restore: copy": "sqlite3 sets a connection up so",
    "terminal.candidates: action": "argparse's own place for what an argument is",
    "claude_code.team_comm_mcp_server: tool": "mcp derives the schema, which we make simpler",
    "cli.chat.screen: output": "prompt_toolkit takes it in no other way",
    "cli.chat.screen: session.app": "prompt_toolkit takes its renderer in no other way",
    "cli.claude.forked_session: tempfile": "a fork looks for its own folder of temporary files",
    "cli.main: later": "a module whose content is imported when it is used",
    "cli.commands.start: process": "Python must not warn of a child that lives on",
    "supervisor.health.probes: process": "another part of the supervisor reaps this child",
    "supervisor.processes.process_manager: worker": "its own record, which it alone changes",
    "supervisor.processes.process_manager: self.processes[name]": "its own record, which it alone changes",
    "workers.agent_runner.starts.dispatcher: at": "its own record, which it alone changes",
    "workers.gateway.connection.client: discord.VoiceClient": "discord.py warns of what we do not need",
    "workers.gateway.connection.client: intents": "discord.py builds intents so",
    "workers.gateway.connection.client: self._connection": "discord.py has a part of the client there",
    "workers.gateway.connection.client: self.http": "discord.py asks Discord in no other way",
    "workers.gateway.connection.client: state": "discord.py parses messages there",
    "workers.gateway.connection.client: unknown": "a message of discord.py that has no author",
    "workers.gateway.inbound.inbox: named": "discord.py knows a listener by its name",
    "workers.gateway.interactions.button_updates: webhook": "discord.py does not learn the type by itself",
    "workers.monitor_bridge.ingest.webhook_server: log": "aiohttp's logger, which gets a filter",
    "workers.monitor_bridge.ingest.webhook_server: request.writer": "aiohttp counts what it has sent",
}


def test_only_its_own_class_sets_an_attribute_of_an_object() -> None:
    """An object gets what it needs when it is made, and has a verb for what changes: else an arrow is hidden."""
    found = {
        f"{name.removeprefix('teamsup.')}: {owner}": line
        for name, path in modules().items()
        for line, owner in set_from_outside(nodes_of(path))
    }
    assert {where: line for where, line in found.items() if where not in SET_FROM_OUTSIDE} == {}
    assert set(SET_FROM_OUTSIDE) - set(found) == set()


@pytest.mark.parametrize(
    ("source", "owners"),
    [
        ("self.a = 1; cls.b = 2; name = 3; self.items[0] = 4", []),
        ("self._relays.withdrawn = self._withdraw", ["self._relays"]),
        ("client.count += 1", ["client"]),
        ("worker.timer: int = 1", ["worker"]),
        ("(first, self.all[0].second), third = pair, 3", ["self.all[0]"]),
        ("for each.number in range(3): pass", ["each"]),
        ("setattr(hub, 'x', 1)", ["hub"]),
        ("del lock.owner", ["lock"]),
        ("vars(client.http)['request'] = 1", ["client.http"]),
        ("client.__dict__['request'] = 1", ["client"]),
        ("object.__setattr__(process, 'x', 1); object.__setattr__(self, 'x', 1)", ["process"]),
        ("parser.epilog = 'Exit codes: …'", []),
    ],
)
def test_every_way_to_set_an_attribute_is_found(source: str, owners: list[str]) -> None:
    assert [owner for _line, owner in set_from_outside(nodes_in(source))] == owners


def set_from_outside(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield each assignment to an attribute of another object, as its line and that object.

    argparse's parsers are set up so, and files of our own process.
    """
    for node in nodes:
        match node:
            case ast.Attribute(value=ast.Name("self")):
                continue
            case (
                ast.Attribute(value=owner, ctx=ast.Store() | ast.Del())
                | ast.Call(func=ast.Name("setattr" | "delattr"), args=[owner, *_])
                | ast.Call(func=ast.Attribute(attr="__setattr__" | "__delattr__"), args=[owner, _, _])
                | ast.Subscript(value=ast.Call(func=ast.Name("vars"), args=[owner]), ctx=ast.Store())
                | ast.Subscript(value=ast.Attribute(value=owner, attr="__dict__"), ctx=ast.Store())
            ):
                if ast.unparse(owner) not in ("self", "cls", "parser", "sys"):
                    yield owner.lineno, ast.unparse(owner)
