"""The gate of an agent: a person's command that decides whether a run starts."""

import asyncio
from pathlib import Path

from teamsup.hub import Team
from teamsup.terminal.bounded_command import run_bounded

from ..judgement import Finish
from ..programs.command import BRIEFING
from ..programs.environment import build_environment
from ..run import Run
from ..sections import AgentSection

_GATE_SECONDS = 60.0
_GATE_REFUSES = 1
_MAX_GATE_CHARACTERS = 300


async def ask_gate(team: Team, run: Run, section: AgentSection, folder: Path) -> Finish | None:
    """Ask the command whether a run starts, before its first process. Return the reason if it does not start.

    Raise OSError if the command cannot decide; nothing starts then.
    """
    if not section.gate or run.starts or run.cause.kind == "person":
        return None
    environment = build_environment(team, run, section)
    briefing = await asyncio.to_thread((folder / BRIEFING).read_bytes)
    end = await run_bounded(section.gate, briefing, _GATE_SECONDS, environment=environment, folder=team.folder)
    if end.code is None:
        raise OSError(f"its gate has not answered within {_GATE_SECONDS:.0f} seconds")
    said = end.output.decode(errors="replace").strip()[:_MAX_GATE_CHARACTERS]
    if end.code == 0:
        return None
    if end.code == _GATE_REFUSES:
        return Finish("stopped", f"its gate did not start it: {said or 'it gave no reason'}")
    last = end.errors.decode(errors="replace").strip().splitlines()[-1:]
    raise OSError(f"its gate failed with exit code {end.code}: {' '.join(last)[:_MAX_GATE_CHARACTERS]}")
