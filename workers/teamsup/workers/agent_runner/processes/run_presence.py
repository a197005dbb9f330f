"""The presence of agents that run without a session, with the current work of each."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from teamsup.config.startable_agents import OWN_NOTE, RUN
from teamsup.hub import Agent, MessageHub
from teamsup.hub.models import OFFLINE

from ..run import Run


class RunPresence:
    """Reports an agent as present while one of its runs has a process. Threads may share this object."""

    def __init__(self, open_hub: Callable[[str], MessageHub]) -> None:
        self._open_hub = open_hub
        self._notes: dict[int, tuple[str, str]] = {}

    def report(self, run: Run, note: str) -> None:
        """Report the current work of a run. An empty text means that the run no longer has a process. Raise
        StoreError.
        """
        hub = self._open_hub(run.agent)
        if note:
            self._notes[run.id] = run.agent, note
        else:
            self._notes.pop(run.id, None)
        notes = [said for agent, said in list(self._notes.values()) if agent == run.agent]
        known = hub.find_agent(run.agent)
        if known is not None and known.is_present(datetime.now(UTC)) and not known.metadata.get(RUN):
            return  # a live session reports its own presence
        if notes:
            # Register each time, so that no check misses the heartbeats of an ended run.
            own = _own_note(known, run)
            details: dict[str, Any] = {"note": own or "; ".join(notes), RUN: run.id}
            hub.register("agent", **details, **({OWN_NOTE: own} if own else {}))
            return
        with hub.transaction():  # a session that was opened meanwhile keeps its presence
            known = hub.find_agent(run.agent)
            if known is not None and known.metadata.get(RUN):
                hub.heartbeat(OFFLINE, note="")


def _own_note(known: Agent | None, run: Run) -> str:
    """Return the note that the agent itself has set in this run."""
    return str(known.metadata.get(OWN_NOTE) or "") if known is not None and known.metadata.get(RUN) == run.id else ""
