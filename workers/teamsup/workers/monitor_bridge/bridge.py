"""monitor-bridge: what the host and its monitoring have to say, as incidents that somebody takes care of."""

import asyncio
import os
import time
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from teamsup.config.loader import Config
from teamsup.config.people_protocol import USER_COMM
from teamsup.config.sections import AlertRouteSection, MonitorSection, TeamSection, WatchdogSection
from teamsup.config.source_section import SourceSection
from teamsup.hub import Agent, CallerError, Delivery, Message, MessageHub, TeamsupError
from teamsup.hub.models import HUB_SENDER
from teamsup.terminal.command_hook import run_command

from ..backoff import backoff
from ..protocol import MONITOR_BRIDGE
from ..worker import Worker, main
from .checks.runner import TEAM, CheckRunner
from .checks.staleness import StalenessCheck
from .escalation import command_hook
from .escalation.acknowledgements import Acknowledgements, AcknowledgeResult, parse_numbers
from .escalation.escalator import EscalationResult
from .incident_service import IncidentService
from .incidents import incident, rendering
from .incidents.incident import Incident
from .incidents.routes import AGENT_LABEL, AlertRoutes
from .ingest.server_factory import create_server
from .silences.silencer import Silencer

_FIRST_CHECK_SECONDS = 1.0
_HOST_TIMEOUT_SECONDS = 30.0  # for the host to say how it is
_COMMIT_SECONDS = 0.2  # in which what take() has said is committed
_PRUNE_SECONDS = 86400.0
_MAX_LISTED = 50
_COMMAND_RETRY_SECONDS, _MAX_COMMAND_RETRY_SECONDS = 60.0, 3600.0  # until a command that has failed is run again


class MonitorBridge(Worker):
    """Turns what monitoring says into incidents, and sees each through until somebody takes care of it."""

    name: ClassVar[str] = MONITOR_BRIDGE

    def __init__(self, hub: MessageHub, settings: Config) -> None:
        super().__init__(hub, settings)
        self._section = settings.section(self.name, MonitorSection)
        sources = settings.sections_of("source", SourceSection)
        kinds = {name: source.kind for name, source in sources.items()}
        self._routes = routes = AlertRoutes(
            self._section, settings.sections_of("alert_route", AlertRouteSection), kinds
        )
        hub.enroll(USER_COMM, "daemon")
        unread_seconds = settings.section("team", TeamSection).unread_seconds
        self._incidents = IncidentService(hub, routes, unread_seconds, changed=self._wake_escalation)
        self._acknowledgements = Acknowledgements(hub, self._incidents.groups)
        self._checks = CheckRunner(
            hub, self._section, settings.sections_of("watchdog", WatchdogSection), self._incidents
        )
        self._server = create_server(
            hub, settings, self._incidents.ingest_routed, routes.with_routes, self._report_state
        )
        for source in sources.values():
            # They are read, and what this process starts needs none of them.
            os.environ.pop(source.secret_variable, None)
        staleness = StalenessCheck(hub, sources, self._incidents, is_heard=self._can_receive)
        self._silencer = Silencer(
            hub, sources, self._incidents, self._section.interval_seconds, self._report_state, staleness
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self._background: set[asyncio.Task[None]] = set()
        self._running_commands: set[int] = set()
        self._failing_groups: set[int] = set()
        """For which conversations the command has failed, and is run again."""
        self._command_results: dict[int, tuple[float, str]] = {}
        """For which step the command was run, and why it failed, until that is noted."""
        self._open_note = ""
        self._checks.measure_host()
        self._has_measured = False

    def presence_details(self) -> dict[str, Any]:
        figures = self._checks.host.note if self._has_measured else ""
        refused = "" if self._server is None else self._server.receiver.rejected_note
        note = "; ".join(part for part in (figures, self._open_note, refused, self._routes.slow_pattern_note) if part)
        heard = {} if self._server is None else self._server.receiver.last_received
        return {"note": note, "alerted": self._checks.failing_host_checks, "heard": dict(heard)}

    async def work(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._check_team_loop())
            tasks.create_task(self._check_host_loop())
            tasks.create_task(self._escalation_loop())
            tasks.create_task(self._prune_loop())
            tasks.create_task(self._silencer.run())
            if self._server is not None:
                tasks.create_task(self._server.run())

    def on_unread(self, message: Message, agent: Agent) -> None:
        """The escalation sees to that."""

    async def handle(self, delivery: Delivery) -> None:
        changed = await self.in_thread(self._process_message, delivery)
        self._changed.set()
        if changed:
            self._start_background(self._silencer.silence_acknowledged(changed))

    async def _report_state(self, cause: str, reason: str) -> None:
        """What we cannot do; an empty reason: we can."""
        await (self.degrade(cause, reason) if reason else self.recover(cause))

    def _can_receive(self) -> bool:
        return self._server is None or self._server.port > 0

    async def _check_team_loop(self) -> None:
        while True:
            await asyncio.sleep(self._section.interval_seconds if self._has_measured else _FIRST_CHECK_SECONDS)
            try:
                await self.in_thread(self._checks.check_team)
            except TeamsupError as error:
                await self._report_state("team", f"What was found in the team could not be stored: {error}")
            else:
                await self._report_state("team", "")
            self._changed.set()

    async def _check_host_loop(self) -> None:
        """Beside all else: a disk that is mounted from elsewhere may not answer for hours."""
        # CPU is measured between two calls, and the moment of the start says nothing about the host.
        await asyncio.sleep(_FIRST_CHECK_SECONDS)
        while True:
            looking = asyncio.create_task(self.in_thread(self._checks.check_host))
            if not (await asyncio.wait({looking}, timeout=_HOST_TIMEOUT_SECONDS))[0]:
                await self._report_state(
                    "host", f"The host does not answer how it is. Look at {self._section.disk_path}."
                )
            try:
                trouble = await looking
            except TeamsupError as error:
                trouble = f"What was found at the host could not be stored: {error}"
            await self._report_state("host", trouble)
            if not self._has_measured:
                self._has_measured = True
                await self.heartbeat()
            self._changed.set()
            await asyncio.sleep(self._section.interval_seconds)

    async def _escalation_loop(self) -> None:
        """Look after what is open whenever something has come or is due, and as often as at the host: an agent may have
        left meanwhile."""
        while True:
            self._changed.clear()
            seconds: float | None = None
            try:
                looked = await self.in_thread(self._escalate_due)
            except TeamsupError as error:
                await self._report_state("escalation", f"Nobody can be told of alerts: {error}")
                seconds = _FIRST_CHECK_SECONDS
            else:
                await self._report_state("escalation", "")
                for first in looked.commands:
                    self._start_command(first)
                if looked.next_due is not None:
                    seconds = max(0.0, looked.next_due - time.time())
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
            except TimeoutError:
                pass

    def _escalate_due(self) -> EscalationResult:
        looked = self._incidents.escalator.run_due_steps()
        self._open_note = rendering.describe_counts(incident.count_open(self.hub))
        return looked

    async def _prune_loop(self) -> None:
        while True:
            try:
                await self.in_thread(self._incidents.prune)
            except TeamsupError as error:
                self.log.error("what is over long ago could not be removed: %s", error)
            await asyncio.sleep(_PRUNE_SECONDS)

    def _wake_escalation(self) -> None:
        """Something was taken, on whichever thread; it is committed in a moment."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.call_later, _COMMIT_SECONDS, self._changed.set)

    def _start_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _start_command(self, first: int) -> None:
        if first not in self._running_commands:
            self._running_commands.add(first)
            self._start_background(self._run_command_once(first))

    async def _run_command_once(self, first: int) -> None:
        try:
            # It may have been acknowledged since, or have run while the look went on.
            since, found = await self.in_thread(self._command_due, first)
            if since is None or not found:
                return
            if (ran := self._command_results.get(first)) is None or ran[0] != since:
                text = rendering.render_for_people(found)
                failure = await self._execute_command(text, command_hook.command_environment(found))
                self._command_results[first] = ran = since, failure
            await self.in_thread(self._record_command, first, *ran)
            del self._command_results[first]
            if ran[1] and not _concerns_only(self.name, found):
                self._start_background(self._retry_command(first, ran[1]))
        except TeamsupError as error:
            self.log.error("whether the command was run could not be noted: %s", error)
        finally:
            self._running_commands.discard(first)

    async def _retry_command(self, first: int, failure: str) -> None:
        """What has failed is tried until it succeeds, or until somebody acts."""
        pauses = backoff(_COMMAND_RETRY_SECONDS, _MAX_COMMAND_RETRY_SECONDS)
        self._failing_groups.add(first)
        while failure:
            await self._report_state("command", f"The command of [monitor-bridge] fails: {failure}.")
            await asyncio.sleep(next(pauses))
            try:
                found = await self.in_thread(self._open_without_response, first)
            except TeamsupError:
                continue
            if not found:
                break
            failure = await self._execute_command(
                rendering.render_for_people(found), command_hook.command_environment(found)
            )
        self._failing_groups.discard(first)
        if not self._failing_groups:
            await self._report_state("command", "")

    def _open_without_response(self, first: int) -> list[Incident]:
        """What is open of it, while nobody has acted since the command was run."""
        conversation = self._incidents.groups.get(first)
        if conversation is None or conversation.step != "command" or conversation.responded_by is not None:
            return []
        return incident.open_in_group(self.hub, first)

    async def _execute_command(self, text: str, variables: dict[str, str]) -> str:
        return await run_command(self._section.command, text, variables, self._section.command_seconds)

    def _command_due(self, first: int) -> tuple[float | None, list[Incident]]:
        with self.hub.transaction():
            return self._incidents.escalator.command_due_since(first), incident.open_in_group(self.hub, first)

    def _record_command(self, first: int, since: float, failure: str) -> None:
        with self.hub.transaction():
            self._incidents.escalator.mark_command_run(first, since)
            conversation = self._incidents.groups.get(first)
            if failure and conversation is not None:
                self.log.error("the command for incident %d failed: %s", first, failure)
                text = f"The command of [monitor-bridge] failed for incident {first}: {failure}."
                self._incidents.groups.send(conversation, USER_COMM, text, "command", priority="high")

    def _process_message(self, delivery: Delivery) -> tuple[Incident, ...]:
        """What has been acknowledged by it."""
        message = delivery.message
        sender = self.hub.find_agent(message.sender)
        kind = "agent" if sender is None else sender.kind
        first = self._acknowledgements.group_of(message)
        if (
            first is not None
            and message.sender != HUB_SENDER
            and (
                kind == "agent"
                or (message.message_type != "error" and self._acknowledgements.is_notified(first, message.sender))
            )
        ):
            with self.hub.transaction():
                changed = self._acknowledgements.handle_report(first, message)
                self.hub.acknowledge(delivery)
            return changed
        if message.recipient is None or message.reply_to is not None or message.sender == HUB_SENDER:
            self.hub.acknowledge(delivery)
            return ()
        who = str(message.metadata.get("author_name") or message.sender) if kind != "agent" else message.sender
        agent = message.sender if kind == "agent" else None
        words = message.content.split()
        asked = [words[0].lower().removeprefix("/"), *words[1:]] if words else []
        try:
            if asked[:1] == ["ack"] or (asked[:1] == ["close"] and agent is None):
                with self.hub.transaction():
                    done = self._apply_command(asked, who, agent, message.conversation_id)
                    self.hub.reply(delivery, done.answer)
                return done.incidents
            # Read, and written down, before others have to wait for the hub.
            self.hub.reply(delivery, self._answer_query(asked))
        except CallerError as error:
            self.hub.reply(delivery, str(error), message_type="error")
        return ()

    def _apply_command(self, asked: Sequence[str], who: str, agent: str | None, where: str | None) -> AcknowledgeResult:
        if asked[0] == "ack":
            return self._acknowledgements.acknowledge(asked[1:], who, agent, where if agent is None else None)
        closed = self._incidents.close(parse_numbers(asked[1:], "Say which incident, and nothing else: close ID."))
        return AcknowledgeResult(rendering.render_closed(closed, who))

    def _answer_query(self, asked: Sequence[str]) -> str:
        now = datetime.now(UTC)
        match asked:
            case ["alerts"]:
                return "\n".join(rendering.render_table(incident.open_incidents(self.hub)[:_MAX_LISTED], now))
            case ["alerts", "all"]:
                return "\n".join(rendering.render_table(incident.all_incidents(self.hub, _MAX_LISTED), now))
            case ["alerts" | "incident", word] if (number := incident.parse_number(word)) is not None:
                return rendering.render_incident(incident.get_incident(self.hub, number), now)
            case _:
                return str(self.presence_details()["note"]) or "No figures yet."


def _concerns_only(name: str, incidents: Sequence[Incident]) -> bool:
    """Whether that member of the team is all that is wrong, as it is when the command fails."""
    return all(each.source == TEAM and each.labels.get(AGENT_LABEL) == name for each in incidents)


if __name__ == "__main__":
    main(MonitorBridge)
