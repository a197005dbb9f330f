"""Explain to a waiting command why workers that it started do not run. Pure."""

from collections.abc import Mapping

from teamsup.hub import Agent
from teamsup.hub.models import NOT_CONFIGURED
from teamsup.hub.validation import MAX_LISTED_NAMES
from teamsup.status.degradation import blocked_reason, missing_configuration
from teamsup.status.process_state import State
from teamsup.status.state_file import WorkerState


def is_not_configured(worker: WorkerState, agent: Agent | None) -> bool:
    """Return whether this optional part of the team is not configured."""
    return worker.state == State.EXITED and worker.reason == NOT_CONFIGURED and not blocked_reason(worker, agent)


def unready_reason(worker: WorkerState, agent: Agent | None) -> str:
    """Return why a worker does not run; empty if it is only not ready yet."""
    if worker.state in (State.STARTING, State.STOPPING):
        return ""
    if worker.reason != NOT_CONFIGURED:
        return worker.reason or worker.state
    lacks = missing_configuration(worker, agent)
    return lacks if lacks == NOT_CONFIGURED else f"{NOT_CONFIGURED}: {lacks}"


def describe_unready(reasons: Mapping[str, str]) -> str:
    """Return a sentence for each reason with its workers: at most LISTED names, and the number of other workers."""
    names_by_reason: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names_by_reason.setdefault(" ".join(reason.split()), []).append(name)
    shown = list(names_by_reason.items())[:MAX_LISTED_NAMES]
    each = max(1, MAX_LISTED_NAMES // max(1, len(shown)))
    sentences = [_sentence(names, each, reason) for reason, names in shown]
    if left := len(reasons) - sum(len(names) for _, names in shown):
        sentences.append(f"{left} more {'does' if left == 1 else 'do'} not run.")
    return " ".join(sentences)


def _sentence(names: list[str], most: int, reason: str) -> str:
    listed = [*names[:most], *([f"{len(names) - most} more"] if len(names) > most else [])]
    who = " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)
    if not reason:
        return f"{who} {'is' if len(names) == 1 else 'are'} not ready yet."
    return f"{who} {'does' if len(names) == 1 else 'do'} not run: {reason.rstrip('.')}."
