"""How large each package is, and which modules are the largest: `make size`."""

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

from teamsup.terminal.formatting import format_table

ROOT = Path(__file__).parents[1]
LARGEST = 10
HUB = ROOT / "hub" / "teamsup" / "hub"
# The modules that a send, a claim, an acknowledgement and a wake-up run, down to the tables of a new database.
# The others are for tools (queries, maintenance, wake_ladder, search, restore), or hear programs that are not of the
# team (foreign_writes). Or they protect against a clock that jumps, a file that moves, a signal, a model that storms.
# engines/engine.py has only the types of what is counted here. Another engine is counted apart, with the choice of one.
READING = (
    *("message_hub.py", "session.py", "tables/messages.py", "tables/deliveries.py", "engines/sqlite/store.py"),
    *("wakeup/mailbox.py", "wakeup/waiter.py", "wakeup/doorbell.py", "wakeup/watcher.py"),
)
CORE = (
    *READING,
    *("models.py", "presence.py", "tables/agents.py", "tables/row_values.py", "engines/sqlite/connection.py"),
    *("engines/sqlite/disk_flush.py", "engines/sqlite/migrations.py", "engines/sqlite/store_errors.py"),
    *("engines/sqlite/schema/baseline.sql", "engines/sqlite/schema/triggers.sql"),
    "engines/statements.py",
)
MOST_CORE, MOST_READING = 2300, 1500
MOST_OLDER = 25000
# The features that came after commit c3a7b80, each with its modules, as patterns of paths. What they added to modules
# that were there already counts with those.
LATER = {
    "agents without a session": (
        *("workers/*/agent_runner/*", "hub/*/startable_agents.py", "hub/*/permission_request.py"),
        *("hub/*/tool_call.py", "hub/*/marked_processes.py", "workers/*/demo/agent_*.py"),
    ),
    "pages in a browser": (
        *("workers/*/web/*", "workers/*/entries/*", "workers/*/entries.py", "hub/*/entries.py"),
        *("workers/*/decision_source.py", "hub/*/team_needs.py", "hub/*/conversation_list.py", "hub/*/traffic.py"),
        *("hub/*/host_stats.py", "hub/*/samples.py", "supervisor/*/sampler.py"),
    ),
    "components and their tables": (
        *("hub/*/components.py", "hub/*/entry_points.py", "hub/*/component_*.py", "workers/*/component.py"),
        *("supervisor/*/component_commands.py", "supervisor/*/section_owners.py"),
    ),
    "engines of the store": (
        *("hub/*/engines/choice.py", "hub/*/engines/engine.py", "hub/*/engines/statements.py"),
        *("hub/*/engines/postgresql/*", "hub/*/engines/copying/*"),
    ),
    "the fork server": ("supervisor/*/fork*.py", "supervisor/*/claude/component.py", "hub/*/session_starter.py"),
    "restore and migration backups": ("hub/*/restore.py", "hub/*/migration_backup.py", "hub/*/maintenance_progress.py"),
    "outages of the hub and its clock": (
        *("supervisor/*/hub_monitor.py", "supervisor/*/write_*.py", "supervisor/*/alarm.py"),
        *("supervisor/*/degradation.py", "supervisor/*/readiness.py", "hub/*/clock_step.py", "hub/*/rate_limits.py"),
        "workers/*/staleness.py",
    ),
    "the reference of the configuration": (
        *("hub/*/config/keys.py", "supervisor/*/cli/configuration/*", "supervisor/*/commands/config.py"),
    ),
    "files that must not leave": ("workers/*/archives.py", "workers/*/known_contents.py"),
    "teams on several hosts": (
        *("hub/*/engines/hosts/*", "hub/*/host_status.py", "supervisor/*/supervisor/hosts/*"),
        "supervisor/*/configuration/roles.py",
    ),
    "native teammates": ("hub/*/native_*.py", "supervisor/*/native_teams.py"),
    "jobs, probes and upgrades in place": (
        *("hub/*/config/schedule.py", "supervisor/*/job_starter.py", "supervisor/*/probes.py"),
        *("supervisor/*/program_checks.py", "supervisor/*/handover.py", "supervisor/*/successor.py"),
        *("supervisor/*/commands/signal.py", "supervisor/*/spawn_command.py"),
    ),
    "completion, help and an overview in a terminal": (
        *("supervisor/*/cli/completion/*", "supervisor/*/commands/completion.py", "supervisor/*/overview.py"),
        *("supervisor/*/help_text.py", "supervisor/*/commands/docs.py", "hub/*/candidates.py", "hub/*/json_output.py"),
        *("supervisor/*/commands/teams.py", "supervisor/*/commands/trace.py", "hub/*/terminal/attachment.py"),
        *("hub/*/terminal/progress.py", "hub/*/terminal/confirmation.py"),
    ),
    "what doctor examines beside sessions": (
        *("supervisor/*/checks/machine.py", "supervisor/*/checks/team.py", "supervisor/*/session_policy.py"),
        *("workers/*/online_check.py", "workers/*/interactions/permissions.py"),
    ),
    "more of Discord": (
        *("workers/*/address_ban.py", "workers/*/discord_clock.py", "workers/*/token_lock.py"),
        *("workers/*/transcription.py", "workers/*/outbound/formatting.py", "workers/*/outbound/mentions.py"),
    ),
    "more vendors of alerts": (
        *("workers/*/amazon_signature.py", "workers/*/sources/aws_sns.py", "workers/*/sources/mapped_json.py"),
        *("workers/*/sources/opsgenie.py", "workers/*/sources/pagerduty.py", "workers/*/json_path.py"),
        "workers/*/ingest/traffic.py",
    ),
    "mutes, rotas and pings": (
        *("workers/*/mutes/*", "workers/*/quiet_hours.py", "workers/*/rota.py", "workers/*/pinging.py"),
    ),
}
OLDER = "the features of c3a7b80"
_NOT_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def count_code(source: str) -> int:
    """Return how many lines hold code: not those that are empty, a comment or a docstring."""
    tree = ast.parse(source)
    strings = {
        node.value.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        is_docstring = token.type == tokenize.STRING and token.start[0] in strings
        if token.type not in _NOT_CODE and not is_docstring:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines)


def count_sql(script: str) -> int:
    """Return how many lines of an SQL script are neither empty nor a comment."""
    return sum(1 for line in script.splitlines() if line.strip() and not line.lstrip().startswith("--"))


def count_files(names: Iterable[str]) -> tuple[int, int]:
    """Return the lines of code, and all lines, of files of the hub."""
    code = lines = 0
    for name in names:
        text = (HUB / name).read_text("utf-8")
        code += count_code(text) if name.endswith(".py") else count_sql(text)
        lines += text.count("\n")
    return code, lines


def package_of(path: Path) -> str:
    """Return the package of a module: ``hub/config``, ``workers/gateway``, ``tests``."""
    parts = path.relative_to(ROOT).parts
    if parts[1] != "teamsup":
        return parts[0]
    below = 3 if parts[2] == parts[0] == "workers" and len(parts) > 4 else 2
    return f"{parts[0]}/{parts[below]}"


def feature_of(path: Path) -> str:
    """Return the later feature that a module belongs to, else the older ones together."""
    name = path.relative_to(ROOT).as_posix()
    return next((each for each, patterns in LATER.items() if any(fnmatch(name, one) for one in patterns)), OLDER)


def count_older() -> int:
    """Return the lines of code of the features of commit c3a7b80."""
    files = (path for path in modules() if package_of(path) != "tests" and feature_of(path) == OLDER)
    return sum(count_code(path.read_text("utf-8")) for path in files)


def modules() -> Iterator[Path]:
    """Yield the modules of teamsup and of its tests."""
    for root in ("hub", "supervisor", "workers", "tests"):
        yield from sorted(path for path in (ROOT / root).rglob("*.py"))


def main() -> None:
    code: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    count: Counter[str] = Counter()
    largest = []
    for path in modules():
        source = path.read_text()
        name, its_code, its_lines = package_of(path), count_code(source), source.count("\n")
        totals = [] if name == "tests" else ["teamsup", feature_of(path)]
        for each in (name, *totals):
            code[each] += its_code
            lines[each] += its_lines
            count[each] += 1
        if totals:
            largest.append((its_lines, its_code, str(path.relative_to(ROOT))))
    features = [OLDER, *LATER]
    packages = [name for name in lines if name not in ("teamsup", "tests", *features)]
    for heading, names in (("PACKAGE", [*packages, "teamsup", "tests"]), ("FEATURE", features)):
        rows = [(name, f"{code[name]:,}", f"{lines[name]:,}", str(count[name])) for name in names]
        print("\n".join(format_table([(heading, "CODE", "LINES", "MODULES"), *rows])) + "\n")
    found = [
        (path, f"{its_code:,}", f"{its_lines:,}") for its_lines, its_code, path in sorted(largest)[: -LARGEST - 1 : -1]
    ]
    parts = [("core, with SQL", CORE, MOST_CORE), ("what one reads of it", READING, MOST_READING)]
    hub_rows = [(name, *(f"{count:,}" for count in (*count_files(files), most))) for name, files, most in parts]
    print("\n".join(format_table([("HUB", "CODE", "LINES", "CODE AT MOST"), *hub_rows])))
    print("\n" + "\n".join(format_table([("LARGEST", "CODE", "LINES"), *found])))


if __name__ == "__main__":
    main()
