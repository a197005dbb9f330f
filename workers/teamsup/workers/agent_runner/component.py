"""agent-runner as a component of a team."""

from pathlib import Path

from teamsup.config.components import Component, normalize_session_agent
from teamsup.config.loader import Config
from teamsup.config.startable_agents import AGENT_RUNNER
from teamsup.hub.engines.component_tables import ComponentTables

from .sections import AgentSection, RunnerSection

_SCHEMA = Path(__file__).with_name("schema")
_TABLES = ComponentTables(
    AGENT_RUNNER,
    scripts=(_SCHEMA / "1-tables.sql", _SCHEMA / "2-program.sql", _SCHEMA / "3-folder.sql"),
    goes_with_message={"runs": ("message_number",)},
    # The messages of runs that have not ended.
    keeps=(
        "SELECT message_number FROM runs WHERE message_number IS NOT NULL"
        " AND state IN ('planned', 'running', 'parked', 'unknown')",
    ),
    # These reasons begin with the name of the person who has acted.
    forgets_person=(
        "UPDATE runs SET reason = 'somebody' || substr('console-' || reason, length(:name) + 1)"
        " WHERE substr('console-' || reason, 1, length(:name) + 1) = :name || ' '",
        "UPDATE agent_pauses SET reason = 'somebody' || substr('console-' || reason, length(:name) + 1)"
        " WHERE substr('console-' || reason, 1, length(:name) + 1) = :name || ' '",
        # An earlier version wrote the name of the console.
        "UPDATE runs SET reason = 'somebody' || substr(reason, length(:name) + 1)"
        " WHERE substr(reason, 1, length(:name) + 1) = :name || ' '",
        "UPDATE agent_pauses SET reason = 'somebody' || substr(reason, length(:name) + 1)"
        " WHERE substr(reason, 1, length(:name) + 1) = :name || ' '",
    ),
    # A run's effects outside the team stay, so it is not started again.
    carried_over=("runs", "run_starts", "agent_pauses", "agent_ticks"),
)


def _check(config: Config) -> None:
    for name in config.names_of("agent"):
        if normalize_session_agent(name) != name:
            raise ValueError(f"[agent.{name}]: write the name in small letters, [agent.{name.strip().lower()}]")
    team = config.section(AGENT_RUNNER, RunnerSection)
    for name, agent in config.sections_of("agent", AgentSection).items():
        if agent.max_usd > team.usd_per_day:
            raise ValueError(f"[agent.{name}] max_usd is above usd_per_day of [{AGENT_RUNNER}], so no run could start")


component = Component(
    name=AGENT_RUNNER,
    command="teamsup.workers.agent_runner.agent_runner",
    section=RunnerSection,
    groups={"agent": AgentSection},
    check=_check,
    checks="teamsup.workers.agent_runner.commands.agent_check:check_agents",
    follows_sections=True,
    entries="teamsup.workers.agent_runner.commands.run_source:sources",
    takes_over_runs=True,
    tables=_TABLES,
    rank=40,
)
