"""user_comm as a component of a team."""

from pathlib import Path

from teamsup.config.components import Component
from teamsup.config.people_protocol import USER_COMM, is_decision_request
from teamsup.hub.engines.component_tables import ComponentTables

from .sections import MessageRouteSection, UserCommSection

_SCHEMA = Path(__file__).with_name("schema")
_TABLES = ComponentTables(
    USER_COMM,
    scripts=(_SCHEMA / "1-tables.sql", _SCHEMA / "2-recipient.sql"),
    goes_with_message={
        "relays": ("message", "question"),
        "decisions": ("question",),
        "decision_messages": ("message", "question"),
    },
    # Open decisions, and the messages that show them.
    keeps=(
        "SELECT question FROM decisions WHERE state = 'open'",
        "SELECT m.message FROM decision_messages AS m, decisions AS d"
        " WHERE d.question = m.question AND d.state = 'open'",
    ),
    forgets_person=(
        # A terminal's conversations begin with its name.
        "DELETE FROM conversations WHERE substr(conversation, 1, length(:name) + 1) = :name || ':'",
        # A chosen option is the agent's text; any other answer is the person's.
        "UPDATE decisions SET decided_by = 'somebody', decided_by_id = NULL, answer = CASE WHEN options = '[]'"
        " AND answer IS NOT NULL THEN '(forgotten)' ELSE answer END WHERE decided_by_id = :name",
    ),
    reads_expired=is_decision_request,
)

component = Component(
    name=USER_COMM,
    command="teamsup.workers.user_comm.user_comm_daemon",
    section=UserCommSection,
    groups={"message_route": MessageRouteSection},
    follows_sections=True,
    entries="teamsup.workers.user_comm.decisions.decision_source:sources",
    tables=_TABLES,
    rank=10,
)
