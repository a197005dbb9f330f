"""monitor-bridge: what the host and its monitoring have to say, as incidents that somebody takes care of."""

import asyncio
import os
import time
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from teamsup.hub import Agent, CallerError, Delivery, Message, MessageHub, TeamsupError
from teamsup.hub.last_resort import run_command
from teamsup.hub.messages import HUB
from teamsup.hub.sections import AlertRouteSection, MonitorSection, TeamSection, WatchdogSection
from teamsup.hub.settings import Settings
from teamsup.hub.source_section import SourceSection

from ..worker import Worker, main
from . import incident, last_resort, texts
from .care import Acknowledged, Care, numbers_in
from .hearing import listener
from .incident import Incident
from .incidents import Incidents
from .ladder import Looked
from .quiet import Quiet
from .routes import PEOPLE, SUBJECT, Routes
from .staleness import Staleness
from .watch import TEAM, Watch

_FIRST_LOOK_SECONDS = 1.0
_HOST_SECONDS = 30.0  # for the host to say how it is
_COMMIT_SECONDS = 0.2  # in which what take() has said is committed
_PRUNE_SECONDS = 86400.0
_LISTED = 50
_AGAIN_SECONDS, _AGAIN_LONGEST = 60.0, 3600.0  # until a command that has failed is run again


class MonitorBridge(Worker):
    """Turns what monitoring says into incidents, and sees each through until somebody takes care of it."""

    name: ClassVar[str] = "monitor-bridge"

    def __init__(self, hub: MessageHub, settings: Settings) -> None:
        super().__init__(hub, settings)
        self._section = settings.section(self.name, MonitorSection)
        sources = settings.group("source", SourceSection)
        kinds = {name: source.kind for name, source in sources.items()}
        self._routes = routes = Routes(self._section, settings.group("alert", AlertRouteSection), kinds)
        hub.enroll(PEOPLE, "daemon")
        unread_seconds = settings.section("team", TeamSection).unread_seconds
        self._incidents = Incidents(hub, routes, unread_seconds, changed=self._look_soon)
        self._care = Care(hub, self._incidents.conversations)
        self._watch = Watch(hub, self._section, settings.group("watchdog", WatchdogSection), self._incidents)
        self._listener = listener(hub, settings, self._incidents.store, routes.routed, self._say)
        for source in sources.values():
            # They are read, and what this process starts needs none of them.
            os.environ.pop(source.secret_variable, None)
        staleness = Staleness(hub, sources, self._incidents, is_heard=self._is_heard)
        self._quiet = Quiet(hub, sources, self._incidents, self._section.interval_seconds, self._say, staleness)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self._besides: set[asyncio.Task[None]] = set()
        self._commands: set[int] = set()
        self._failing: set[int] = set()
        """For which conversations the command has failed, and is run again."""
        self._ran: dict[int, tuple[float, str]] = {}
        """For which step the command was run, and why it failed, until that is noted."""
        self._open = ""
        self._watch.measure()
        self._has_looked = False

    def details(self) -> dict[str, Any]:
        figures = self._watch.host.note if self._has_looked else ""
        refused = "" if self._listener is None else self._listener.misunderstood
        note = "; ".join(part for part in (figures, self._open, refused, self._routes.trouble) if part)
        heard = {} if self._listener is None else self._listener.heard
        return {"note": note, "alerted": self._watch.alerted, "heard": dict(heard)}

    async def work(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_at_team())
            tasks.create_task(self._look_at_host())
            tasks.create_task(self._escalate())
            tasks.create_task(self._prune())
            tasks.create_task(self._quiet.follow())
            if self._listener is not None:
                tasks.create_task(self._listener.run())

    def still_unread(self, message: Message, agent: Agent) -> None:
        """The escalation sees to that."""

    async def handle(self, delivery: Delivery) -> None:
        changed = await self.in_thread(self._handle, delivery)
        self._changed.set()
        if changed:
            self._start(self._quiet.silence(changed))

    async def _say(self, cause: str, reason: str) -> None:
        """What we cannot do; an empty reason: we can."""
        await (self.degrade(cause, reason) if reason else self.recover(cause))

    def _is_heard(self) -> bool:
        return self._listener is None or self._listener.port > 0

    async def _look_at_team(self) -> None:
        while True:
            await asyncio.sleep(self._section.interval_seconds if self._has_looked else _FIRST_LOOK_SECONDS)
            try:
                await self.in_thread(self._watch.look)
            except TeamsupError as error:
                await self._say("team", f"What was found in the team could not be stored: {error}")
            else:
                await self._say("team", "")
            self._changed.set()

    async def _look_at_host(self) -> None:
        """Beside all else: a disk that is mounted from elsewhere may not answer for hours."""
        # CPU is measured between two calls, and the moment of the start says nothing about the host.
        await asyncio.sleep(_FIRST_LOOK_SECONDS)
        while True:
            looking = asyncio.create_task(self.in_thread(self._watch.look_at_host))
            if not (await asyncio.wait({looking}, timeout=_HOST_SECONDS))[0]:
                await self._say("host", f"The host does not answer how it is. Look at {self._section.disk_path}.")
            try:
                trouble = await looking
            except TeamsupError as error:
                trouble = f"What was found at the host could not be stored: {error}"
            await self._say("host", trouble)
            if not self._has_looked:
                self._has_looked = True
                await self.beat()
            self._changed.set()
            await asyncio.sleep(self._section.interval_seconds)

    async def _escalate(self) -> None:
        """Look after what is open whenever something has come or is due, and as often as at the host: an agent may have
        left meanwhile."""
        while True:
            self._changed.clear()
            seconds: float | None = None
            try:
                looked = await self.in_thread(self._look_after)
            except TeamsupError as error:
                await self._say("escalation", f"Nobody can be told of alerts: {error}")
                seconds = _FIRST_LOOK_SECONDS
            else:
                await self._say("escalation", "")
                for first in looked.commands:
                    self._run_command(first)
                if looked.next_due is not None:
                    seconds = max(0.0, looked.next_due - time.time())
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
            except TimeoutError:
                pass

    def _look_after(self) -> Looked:
        looked = self._incidents.ladder.look()
        self._open = texts.counted(incident.count_open(self.hub))
        return looked

    async def _prune(self) -> None:
        while True:
            try:
                await self.in_thread(self._incidents.prune)
            except TeamsupError as error:
                self.log.error("what is over long ago could not be removed: %s", error)
            await asyncio.sleep(_PRUNE_SECONDS)

    def _look_soon(self) -> None:
        """Something was taken, on whichever thread; it is committed in a moment."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.call_later, _COMMIT_SECONDS, self._changed.set)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._besides.add(task)
        task.add_done_callback(self._besides.discard)

    def _run_command(self, first: int) -> None:
        if first not in self._commands:
            self._commands.add(first)
            self._start(self._last_resort(first))

    async def _last_resort(self, first: int) -> None:
        try:
            # It may have been acknowledged since, or have run while the look went on.
            since, found = await self.in_thread(self._command_due, first)
            if since is None or not found:
                return
            if (ran := self._ran.get(first)) is None or ran[0] != since:
                text = texts.for_people(found)
                failure = await self._command(text, last_resort.environment(found))
                self._ran[first] = ran = since, failure
            await self.in_thread(self._has_run, first, *ran)
            del self._ran[first]
            if ran[1] and not _is_about(self.name, found):
                self._start(self._run_again(first, ran[1]))
        except TeamsupError as error:
            self.log.error("whether the command was run could not be noted: %s", error)
        finally:
            self._commands.discard(first)

    async def _run_again(self, first: int, failure: str) -> None:
        """What has failed is tried until it succeeds, or until somebody acts."""
        seconds = _AGAIN_SECONDS
        self._failing.add(first)
        while failure:
            await self._say("command", f"The command of [monitor-bridge] fails: {failure}.")
            await asyncio.sleep(seconds)
            seconds = min(2 * seconds, _AGAIN_LONGEST)
            try:
                found = await self.in_thread(self._still_wanted, first)
            except TeamsupError:
                continue
            if not found:
                break
            failure = await self._command(texts.for_people(found), last_resort.environment(found))
        self._failing.discard(first)
        if not self._failing:
            await self._say("command", "")

    def _still_wanted(self, first: int) -> list[Incident]:
        """What is open of it, while nobody has acted since the command was run."""
        conversation = self._incidents.conversations.get(first)
        if conversation is None or conversation.step != "command" or conversation.acted_by is not None:
            return []
        return incident.of_conversation(self.hub, first)

    async def _command(self, text: str, variables: dict[str, str]) -> str:
        return await run_command(self._section.command, text, variables, self._section.command_seconds)

    def _command_due(self, first: int) -> tuple[float | None, list[Incident]]:
        with self.hub.transaction():
            return self._incidents.ladder.command_due(first), incident.of_conversation(self.hub, first)

    def _has_run(self, first: int, since: float, failure: str) -> None:
        with self.hub.transaction():
            self._incidents.ladder.has_run(first, since)
            conversation = self._incidents.conversations.get(first)
            if failure and conversation is not None:
                self.log.error("the command for incident %d failed: %s", first, failure)
                text = f"The command of [monitor-bridge] failed for incident {first}: {failure}."
                self._incidents.conversations.say(conversation, PEOPLE, text, "command", priority="high")

    def _handle(self, delivery: Delivery) -> tuple[Incident, ...]:
        """What has been acknowledged by it."""
        message = delivery.message
        sender = self.hub.agent_named(message.sender)
        kind = "agent" if sender is None else sender.kind
        first = self._care.incident_of(message)
        if (
            first is not None
            and message.sender != HUB
            and (kind == "agent" or (message.message_type != "error" and self._care.is_told(first, message.sender)))
        ):
            with self.hub.transaction():
                changed = self._care.hear(first, message)
                self.hub.acknowledge(delivery)
            return changed
        if message.recipient is None or message.reply_to is not None or message.sender == HUB:
            self.hub.acknowledge(delivery)
            return ()
        who = str(message.metadata.get("from") or message.sender) if kind != "agent" else message.sender
        agent = message.sender if kind == "agent" else None
        words = message.content.split()
        asked = [words[0].lower().removeprefix("/"), *words[1:]] if words else []
        try:
            if asked[:1] == ["ack"] or (asked[:1] == ["close"] and agent is None):
                with self.hub.transaction():
                    done = self._change(asked, who, agent, message.conversation_id)
                    self.hub.reply(delivery, done.answer)
                return done.incidents
            # Read, and written down, before others have to wait for the hub.
            self.hub.reply(delivery, self._told(asked))
        except CallerError as error:
            self.hub.reply(delivery, str(error), message_type="error")
        return ()

    def _change(self, asked: Sequence[str], who: str, agent: str | None, where: str | None) -> Acknowledged:
        if asked[0] == "ack":
            return self._care.acknowledge(asked[1:], who, agent, where if agent is None else None)
        closed = self._incidents.close(numbers_in(asked[1:], "Say which incident, and nothing else: close ID."))
        return Acknowledged(texts.closed(closed, who))

    def _told(self, asked: Sequence[str]) -> str:
        now = datetime.now(UTC)
        match asked:
            case ["alerts"]:
                return "\n".join(texts.table(incident.open_incidents(self.hub)[:_LISTED], now))
            case ["alerts", "all"]:
                return "\n".join(texts.table(incident.all_incidents(self.hub, _LISTED), now))
            case ["alerts" | "incident", word] if (number := incident.number_in(word)) is not None:
                return texts.shown(incident.by_id(self.hub, number), now)
            case _:
                return str(self.details()["note"]) or "No figures yet."


def _is_about(name: str, incidents: Sequence[Incident]) -> bool:
    """Whether that member of the team is all that is wrong, as it is when the command fails."""
    return all(each.source == TEAM and each.labels.get(SUBJECT) == name for each in incidents)


if __name__ == "__main__":
    main(MonitorBridge)
