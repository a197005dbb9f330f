"""Handle messages to agent-runner: start, pause and resume an agent, stop a run, and decisions."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from teamsup.config.people_protocol import USER_COMM
from teamsup.hub import CallerError, Message, MessageHub
from teamsup.hub.models import HUB_SENDER
from teamsup.hub.validation import list_names, quote
from teamsup.terminal.console import SESSION_AGENT, person_name
from teamsup.terminal.hints import command_hint

from ..approvals.approvals import Approvals
from ..approvals.decision_requests import DecisionOfPeople, read_decision
from ..judgement import Finish
from ..processes.agent_settings import AgentSettings
from ..processes.run_follower import DECISION, RunFollower
from ..programs.call_ledger import CallLedger
from ..run import Cause, Run, run_folder
from ..run_table import AgentPause, RunTable

_USAGE = "Write: start NAME TEXT, pause NAME REASON, resume NAME, or stop RUN."


class RefusedRequest(CallerError):
    """The request is wrong. The text is for its author."""


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """The answer to a request; empty if no answer is needed."""

    text: str = ""
    run: int | None = None
    """The run of the decision."""


class RunRequests:
    """Acts on messages to agent-runner. Its methods block, and raise RefusedRequest and StoreError."""

    def __init__(
        self,
        hub: MessageHub,
        settings: AgentSettings,
        follower: RunFollower,
        stop: Callable[[int, str], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._hub = hub
        self._table = RunTable(hub)
        self._settings = settings
        self._follower = follower
        self._stop = stop
        self._clock = clock
        self._approvals = Approvals(hub)

    def handle(self, message: Message) -> RequestOutcome:
        """Act on a message. Idempotent."""
        if message.sender == HUB_SENDER or (message.sender == USER_COMM and message.reply_to is not None):
            return self._decide(message)
        if message.reply_to is not None or message.recipient is None:
            return RequestOutcome()
        self._check_sender(message)
        verb, *words = message.content.split(None, 2) or [""]
        match verb.lower().removeprefix("/"), words:
            case "start", [name, *_]:
                return self._start(message, self._find_agent(name))
            case "pause", [name, *reason]:
                return self._pause(message, self._find_agent(name), " ".join(reason))
            case "resume", [name]:
                return self._resume(self._find_agent(name))
            case "stop", [number]:
                return self._stop_run(number, self._author(message))
        raise RefusedRequest(_USAGE)

    def _check_sender(self, message: Message) -> None:
        """Raise RefusedRequest for an agent. Agents start each other by messages. They must not change people's pauses
        and limits.
        """
        sender = self._hub.find_agent(message.sender)
        is_person = sender is not None and sender.kind == "console" and SESSION_AGENT not in message.metadata
        if message.sender != USER_COMM and not is_person:
            raise RefusedRequest(f"Only people start, pause, resume and stop agents, and {message.sender} is not one.")

    def _find_agent(self, name: str) -> str:
        folded = name.strip().lower()
        if folded not in self._settings.agents:
            known = list_names(list(self._settings.agents)) or "none"
            raise RefusedRequest(f"There is no section [agent.NAME] for {quote(folded)}; there are these: {known}.")
        return folded

    def _start(self, message: Message, name: str) -> RequestOutcome:
        cause = Cause("person", message.message_id, message.id, message.conversation_id or "")
        section = self._settings.section(name)
        directory = self._settings.directory(name)
        run = self._table.insert(name, cause, self._clock(), directory=directory, model=section.model)
        show = command_hint(self._hub.team, "runs", "show", str(run.id))
        text = f"Run {run.id} of {name} is planned. It starts within the limits; its answer follows. To see it: {show}"
        return RequestOutcome(text, run.id)

    def _pause(self, message: Message, name: str, reason: str) -> RequestOutcome:
        why = f"{self._author(message)} paused it" + (f": {reason}" if reason else "")
        self._table.pause(AgentPause("agent", name, why, self._clock()))
        return RequestOutcome(f"{name} is paused: no run of it starts until it is resumed. Current runs continue.")

    def _resume(self, name: str) -> RequestOutcome:
        """End the pause of the agent and of its login."""
        with self._hub.transaction():
            was_paused = self._table.resume("agent", name)
            was_shut = self._table.resume("login", self._settings.login(name))
        return RequestOutcome(f"{name} can be started again." if was_paused or was_shut else f"{name} was not paused.")

    def _stop_run(self, number: str, who: str) -> RequestOutcome:
        digits = number.removeprefix("#")
        run = self._table.get(int(digits)) if digits.isdecimal() and len(digits) < 16 else None
        if run is None:
            raise RefusedRequest(f"There is no run {quote(number)}.")
        if not run.is_open:
            raise RefusedRequest(f"Run {run.id} of {run.agent} is over: {run.state}.")
        if not self._stop(run.id, f"{who} stopped it"):
            self._follower.conclusion.finish(run, Finish("stopped", f"{who} stopped it"))
        return RequestOutcome(f"Run {run.id} of {run.agent} is being stopped.", run.id)

    def _decide(self, message: Message) -> RequestOutcome:
        """Apply a decision of people. Only user_comm reports decisions."""
        run = self._table.find_asked(message.reply_to or "")
        if run is None or message.message_type == "status_report":
            return RequestOutcome()
        decision = read_decision(message)
        if run.state == "unknown":
            self._follower.decide(run, decision)
        elif run.state == "parked":
            if not self._write_decision(run, message, decision):
                return RequestOutcome()
            reason = f"{decision.by} has decided: {decision.answer}" if decision.is_decided else "nobody has decided"
            self._table.update(run, state="planned", reason=reason, is_decided=True, next_try_at=None)
        return RequestOutcome()

    def _write_decision(self, run: Run, message: Message, decision: DecisionOfPeople) -> bool:
        """Write the decision for the run, before the run's row says that the run continues. Return whether the message
        was a decision.
        """
        folder = run_folder(self._hub.team, run.id)
        if CallLedger(folder).parked_call() is not None:
            verdict = self._approvals.accept(message)
            return verdict is not None and self._approvals.write(verdict, folder)
        said_json = json.dumps(
            {"answer": decision.answer, "chosen": decision.chosen, "by": decision.by, "state": decision.state}
        )
        draft = folder / f".{DECISION}"
        draft.write_text(said_json)
        draft.replace(folder / DECISION)
        return True

    def _author(self, message: Message) -> str:
        author = str(message.metadata.get("author_name") or message.sender)
        person = str(message.metadata.get("person") or message.sender)
        # Do not change a name from Discord.
        return person_name(author) if person.startswith("console-") else author
