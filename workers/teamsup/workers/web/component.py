"""web as a component of a team."""

from pathlib import Path

from teamsup.config.components import Component
from teamsup.hub.engines.component_tables import ComponentTables

from ..protocol import WEB
from .sections import WebSection

_TABLES = ComponentTables(
    WEB,
    scripts=tuple(Path(__file__).with_name("schema") / name for name in ("1-tables.sql", "2-sessions.sql")),
    forgets_person=(
        "DELETE FROM web_links WHERE 'console-' || person = :name",
        "DELETE FROM web_sessions WHERE 'console-' || person = :name",
    ),
    # A restore must not admit a browser again that has signed out since, or make a used link work again.
    carried_over=("web_links", "web_sessions"),
)

component = Component(
    name=WEB,
    command="teamsup.workers.web",
    section=WebSection,
    terminal_command=("open", "--no-browser"),
    tables=_TABLES,
    rank=45,
)
