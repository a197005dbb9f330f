"""Write the reference again from the code: tables, messages, metrics and MCP tools. Run `make reference`."""

import ast
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from teamsup.claude_code.team_comm_mcp_server import tool_definitions
from teamsup.config.components import ComponentTables, installed_components, open_hub
from teamsup.hub import MessageHub, Team
from teamsup.hub.engines.postgresql.translation import translate_types
from teamsup.status.process_state import State
from teamsup.status.state_file import TeamState, WorkerState
from teamsup.supervisor.metrics import render_component_metrics, render_metrics

DOCS = Path(__file__).parent
ROOT = DOCS.parent
COLUMNS = {
    "hub": ROOT / "hub/teamsup/hub/tables/columns.toml",
    **{path.parents[1].name: path for path in sorted(ROOT.glob("workers/teamsup/workers/*/schema/columns.toml"))},
}
MESSAGES = ROOT / "hub/teamsup/config/messages.toml"
HEAD = "This page is made from the code: `docs/write_reference.py` writes it.\n"


def render_pages() -> dict[str, str]:
    """Return the text of each page, by the name of its file."""
    with tempfile.TemporaryDirectory() as folder:
        team = Team("reference", Path(folder) / "reference")
        with MessageHub(team, agent="supervisor") as hub:
            hub.register("supervisor")
            return {
                "tables.md": render_tables(read_tables(hub)),
                "messages.md": render_messages(),
                "metrics.md": render_figures(hub),
                "mcp-tools.md": render_tools(),
            }


def read_tables(hub: MessageHub) -> dict[str, dict[str, list[tuple[str, str, bool]]]]:
    """Return the columns of each table of a new team, by owner and table: name, type, and whether it may be empty."""
    found: dict[str, dict[str, list[tuple[str, str, bool]]]] = {"hub": {}}
    _add_tables(hub, found)
    for component in installed_components().values():
        if isinstance(component.tables, ComponentTables):
            with open_hub(component, hub.team) as opened:
                found[component.name] = {}
                _add_tables(opened, found)
    return found


def _add_tables(hub: MessageHub, found: dict[str, dict[str, list[tuple[str, str, bool]]]]) -> None:
    """Add the tables that no other owner has to the last one."""
    known = {table for tables in found.values() for table in tables}
    names = hub.query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid")
    for (table,) in map(tuple, names):
        if table not in known:
            columns = hub.query(f"SELECT name, type, \"notnull\", pk FROM pragma_table_info('{table}')")  # noqa: S608
            found[[*found][-1]][table] = [
                (name, kind, not (full or key)) for name, kind, full, key in map(tuple, columns)
            ]


def render_tables(tables: Mapping[str, Mapping[str, list[tuple[str, str, bool]]]]) -> str:
    """Return the page of the tables. Raise KeyError for one whose meaning is missing."""
    lines = [
        f"# Tables\n\n{HEAD}\n`messages` and `agent_status` are a public interface: [The hub](hub.md). The other tables"
        "\nmay change with a version. The type says `null` where a value may be NULL.\n"
        f"\n{describe_postgresql_types(tables)}\n"
    ]
    for owner, found in tables.items():
        meanings = tomllib.loads(COLUMNS[owner.replace("-", "_")].read_text("utf-8"))
        lines.append(f"## Of {owner}\n" if owner != "hub" else "## Of the hub\n")
        for table, columns in found.items():
            lines.append(f"### `{table}`\n\n{meanings[table]['table']}.\n\n| column | type | meaning |\n|---|---|---|")
            lines += [
                f"| `{name}` | {kind}{', null' if may_be_null else ''} | {meanings[table][name]} |"
                for name, kind, may_be_null in columns
            ]
            lines.append("")
    return "\n".join(lines)


def describe_postgresql_types(tables: Mapping[str, Mapping[str, list[tuple[str, str, bool]]]]) -> str:
    """Return the sentence that names PostgreSQL's type for each type of these tables."""
    kinds = sorted({kind for found in tables.values() for columns in found.values() for _, kind, _ in columns})
    mapped = [f"`{kind}` is `{translate_types(kind)}`" for kind in kinds]
    return f"The types are those of SQLite. On PostgreSQL {', '.join(mapped[:-1])} and {mapped[-1]}."


def render_messages() -> str:
    """Return the page of message types and metadata."""
    meanings = tomllib.loads(MESSAGES.read_text("utf-8"))
    titles = {
        "types": "## Types\n\nA program may use types of its own. These have a meaning for teamsup:\n",
        "sent": "## Metadata that you can send\n\nA JSON object. Other keys are kept as they are.\n",
        "received": "## Metadata that teamsup sets\n\nA program can read these, and should not write them.\n",
        "presence": "## Metadata of those who take part\n\nIn `agent_status`. A program may set `note`.\n",
    }
    lines = [f"# Messages\n\n{HEAD}"]
    for part, title in titles.items():
        lines.append(f"{title}\n| {'type' if part == 'types' else 'key'} | meaning |\n|---|---|")
        lines += [f"| `{name}` | {text} |" for name, text in sorted(meanings[part].items())]
        lines.append("")
    return "\n".join(lines)


def render_figures(hub: MessageHub) -> str:
    """Return the page of the metrics, from what a supervisor serves and what an engine may add."""
    text = render_metrics(
        TeamState(1, 0.0, (WorkerState("example", State.RUNNING, 1, 0.0, 0, "", None, ()),)),
        hub.agents(),
        hub.queries.stats(),
        1e9,
    ) + render_component_metrics(hub)
    families: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, name, meaning = line.split(" ", 3)
            families[name] = ["", meaning]
        elif line.startswith("# TYPE "):
            families[line.split()[2]][0] = line.split()[3]
    rows = [
        f"| `{name}` | {kind} | {meaning} | {labels_of(name, text)} |" for name, (kind, meaning) in families.items()
    ]
    engine = [f"| `teamsup_store_{name}` | gauge | {meaning} | {label} |" for name, meaning, label in engine_figures()]
    return (
        f"# Metrics\n\n{HEAD}\nThe supervisor serves them in the text format of Prometheus, at `/metrics` on the port\n"
        "that `port` of `[metrics]` names: [Supervisor](supervisor.md#service-managers-and-metrics).\n\n"
        "| metric | type | meaning | labels |\n|---|---|---|---|\n" + "\n".join(rows) + "\n\n"
        "## Of a server\n\nWhere PostgreSQL stores the team:\n\n"
        "| metric | type | meaning | labels |\n|---|---|---|---|\n" + "\n".join(engine) + "\n"
    )


def labels_of(name: str, text: str) -> str:
    """Return the labels of a metric, from its samples. Only those of a source have no sample here."""
    for line in text.splitlines():
        if line.startswith(name + "{"):
            return ", ".join(
                f"`{pair.partition('=')[0]}`" for pair in line.partition("{")[2].partition("}")[0].split(",")
            )
    return "`source`" if "payload" in name else ""


def engine_figures() -> Iterator[tuple[str, str, str]]:
    """Yield the name, the meaning and the labels of each StoreMetric in the code of PostgreSQL."""
    module = ast.parse((ROOT / "hub/teamsup/hub/engines/postgresql/server_tools.py").read_text("utf-8"))
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "StoreMetric":
            name, meaning, *_ = [each.value for each in node.args if isinstance(each, ast.Constant)]
            yield str(name), str(meaning), "`table`" if len(node.args) > 3 else ""


def render_tools() -> str:
    """Return the page of the MCP tools, from the schema that a client gets."""
    lines = [
        f"# MCP tools\n\n{HEAD}\n`teamsup mcp --agent NAME` serves these tools. [Claude Code](claude-code.md) and"
        "\n[other programs](mcp-clients.md) say how to connect it.\n"
    ]
    for tool in tool_definitions():
        lines.append(
            f"## `{tool.name}`\n\n{tool.description}\n\n| argument | type | default | meaning |\n|---|---|---|---|"
        )
        required = tool.parameters["required"]
        for name, schema in tool.parameters["properties"].items():
            default = "required" if name in required else f"`{schema['default']}`" if "default" in schema else "none"
            lines.append(f"| `{name}` | {describe_type(schema)} | {default} | {schema.get('description', '')} |")
        lines.append("")
    return "\n".join(lines)


def describe_type(schema: Mapping[str, Any]) -> str:
    """Return the type of a value of JSON in words, with its limits."""
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    kind = str(schema.get("type", "any"))
    if kind == "array":
        most = f", at most {schema['maxItems']}" if "maxItems" in schema else ""
        return f"list of {schema.get('items', {}).get('type', 'any')}{most}"
    limits = [f"{word} {schema[key]}" for word, key in (("from", "minimum"), ("to", "maximum")) if key in schema]
    return " ".join([kind, *limits])


if __name__ == "__main__":
    for name, text in render_pages().items():
        (DOCS / name).write_text(text, "utf-8")
