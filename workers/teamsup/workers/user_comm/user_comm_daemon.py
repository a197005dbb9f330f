"""user_comm connects people and the team: it answers commands, forwards questions, and returns the answers."""

import asyncio
import contextlib
import time
from typing import Any, ClassVar

from teamsup.config.components import find_command
from teamsup.config.loader import Config
from teamsup.config.people_protocol import USER_COMM, CommandDefinition
from teamsup.config.sections import TeamSection
from teamsup.config.startable_agents import list_agents
from teamsup.hub import Agent, Delivery, Message, MessageHub, StoreError
from teamsup.terminal.console import EXIT_CODE

from ..pattern_matcher import PatternMatcher
from ..protocol import GATEWAY
from ..worker import Worker, main
from .announcements import Announcer
from .classification import (
    AgentReply,
    Announcement,
    Classification,
    DecisionAnswer,
    DecisionRequest,
    DecisionWithdrawal,
    Deletion,
    Edit,
    Event,
    FailedMessage,
    Ignorable,
    Line,
    MessageContext,
    Progress,
    Question,
    classify,
    split_context,
)
from .commands import READING_COMMANDS, CommandHandler
from .component import component
from .conversations import Conversations
from .decisions.service import DecisionService
from .decisions.table import DecisionTable
from .outcome import Done, ErrorReply, Later, Outcome, Reply
from .requests.follow_up import FollowUp
from .requests.forwarding import Forwarder
from .requests.relays import Relays
from .routing.live_rules import LiveRules
from .routing.rules import Forward, Origin, PersonCommand, Route, describe_slow_pattern, route_line

_POLL_SECONDS = 1.0
_EDITED_PREFIX = "edited: "


class UserCommDaemon(Worker):
    """Route people's messages to agents, report their progress, and return the answers."""

    name: ClassVar[str] = USER_COMM

    def __init__(self, hub: MessageHub, settings: Config) -> None:
        super().__init__(hub, settings)
        self._rules = LiveRules(hub, settings, self.log)
        self._matcher = PatternMatcher()
        self._conversations = Conversations(hub)
        self._relays = Relays(hub)
        self._table = DecisionTable(hub)
        self._forwarder = Forwarder(hub, self._relays, self._conversations, self._rules)
        self._decisions = DecisionService(hub, self._table, self._rules, self._relays, self.log)
        unread_seconds = settings.section("team", TeamSection).unread_seconds
        self._follow_up = FollowUp(
            hub, self._forwarder, self._relays, self._table.relays_in_doubt, self._rules, unread_seconds, self.log
        )
        self._commands = CommandHandler(hub, self._relays, self._conversations, self._decisions)
        self._announcer = Announcer(hub, self._rules)
        self._follow_up_wanted = asyncio.Event()
        self._decision_wanted = asyncio.Event()

    def presence_details(self) -> dict[str, Any]:
        return {"note": describe_slow_pattern(self._rules.cached, self._matcher)}

    async def heartbeat(self) -> None:
        """Send a heartbeat, and check the rules, which take effect as soon as they are saved."""
        with contextlib.suppress(StoreError):
            await self.in_thread(lambda: self._rules.rules)
        await self.report_state("configuration", self._rules.failure)
        await super().heartbeat()

    async def work(self) -> None:
        """Follow open questions; wait while there are none."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_up_loop())
            tasks.create_task(self._decision_loop())

    async def _decision_loop(self) -> None:
        while True:
            self._decision_wanted.clear()
            seconds: float | None = _POLL_SECONDS
            async with self.reporting("decisions", "Cannot follow decisions"):
                seconds = await self.in_thread(self._decisions.run_due, time.time())
            self._follow_up_wanted.set()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._decision_wanted.wait(), seconds)

    async def _follow_up_loop(self) -> None:
        while True:
            self._follow_up_wanted.clear()
            is_open = True
            async with self.reporting("questions", "Cannot follow open questions"):
                is_open = await self.in_thread(self._follow_up.poll)
            await self.report_state("following", self._follow_up.failure)
            if is_open:
                await asyncio.sleep(_POLL_SECONDS)
            else:
                await self._follow_up_wanted.wait()

    async def handle(self, delivery: Delivery) -> None:
        kind = await self.in_thread(self.process_delivery, delivery)
        self._follow_up_wanted.set()
        if isinstance(kind, DecisionRequest):
            self._decision_wanted.set()

    def on_unread(self, message: Message, agent: Agent) -> None:
        """Do nothing: the follow-up of the question notifies the person."""

    def process_delivery(self, delivery: Delivery) -> Classification:
        """Act on the message and end its delivery, both or neither. Return its class."""
        kind = classify(delivery.message, self._context_of(delivery.message))
        if isinstance(kind, Line):
            self._process_line(delivery, kind)
        else:
            with self.hub.transaction():
                self._conclude(delivery, self._act_on(kind, delivery.message))
        return kind

    def _context_of(self, message: Message) -> MessageContext:
        """Return the facts of the tables about the message."""
        decision = None if self._table.is_empty() else self._decisions.find_answered(message)
        if message.reply_to is None:
            sender = self.hub.find_agent(message.sender)
            return MessageContext(sender_kind=None if sender is None else sender.kind, decision=decision)
        if (replied := self._relays.find_message(message.reply_to)) is None:
            return MessageContext(decision=decision)
        question = self._relays.question_of(replied)
        return MessageContext(
            replied=replied,
            question=question,
            is_withdrawn=self._relays.is_withdrawn(replied),
            is_decision_outcome=question is None and self._table.is_outcome_message(replied),
            decision=decision,
        )

    def _act_on(self, kind: Event, message: Message) -> Outcome:
        match kind:
            case AgentReply(question):
                return self._forwarder.return_answer(message, question)
            case Progress(question):
                return self._forwarder.return_progress(message, question)
            case FailedMessage(failed):
                return self._forwarder.report_failure(message, failed)
            case Deletion(deleted):
                withdrawn = self._relays.withdraw(deleted, message.conversation_id, "deleted")
                self._decisions.withdraw(withdrawn.relays)
                return Done("withdrawn")
            case DecisionRequest():
                return self._decisions.open_decision(message)
            case DecisionAnswer():
                return self._decisions.answer(message, kind)
            case DecisionWithdrawal(request):
                return self._decisions.take_back(request, message.sender)
            case Announcement():
                return self._announcer.announce(message)
            case Ignorable(note):
                return Done(note)

    def _process_line(self, delivery: Delivery, kind: Line) -> None:
        """Route a person's message before the transaction, because a slow pattern must not delay writers."""
        message = delivery.message
        body, context = split_context(message)
        text = body.removeprefix(_EDITED_PREFIX) if isinstance(kind, Edit) else body
        origin = self._origin_of(message)
        route = route_line(text, origin, self._rules.rules, list_agents(self.hub), self._matcher)
        if isinstance(kind, Question) and _is_reading(route):
            self._conclude(delivery, self._follow_route(route, message, origin, context))
            return
        with self.hub.transaction():
            outcome = None
            if isinstance(kind, Edit):
                words, agents = (route.text, route.agents) if isinstance(route, Forward) else (text, ())
                outcome = self._forwarder.forward_edit(message, kind.message_id, words, context, agents)
            self._conclude(delivery, outcome or self._follow_route(route, message, origin, context))

    def _follow_route(self, route: Route, message: Message, origin: Origin, context: str) -> Outcome:
        match route:
            case Forward():
                return self._forwarder.forward(message, route, origin, context)
            case PersonCommand("decide", rest):
                return self._decisions.answer_by_id(message, rest)
            case PersonCommand(name, rest):
                command = find_command(name)
                if command is not None and command.is_for_worker:
                    return self._forward_to_worker(message, command, rest, origin)
                return self._commands.answer(name, rest, message)
            case _:
                return route

    def _forward_to_worker(self, message: Message, command: CommandDefinition, rest: str, origin: Origin) -> Outcome:
        worker = self.hub.find_agent(command.worker)
        if worker is None:
            return Reply(f"There is no {command.worker} in this team.", "error")
        return self._forwarder.forward(message, Forward((worker,), f"{command.request} {rest}".strip()), origin)

    def _origin_of(self, message: Message) -> Origin:
        channels = [message.metadata.get("channel")]
        if message.sender == GATEWAY and (message.conversation_id or "").startswith("discord:"):
            channels.append((message.conversation_id or "").removeprefix("discord:"))
        numbers = frozenset(int(each) for each in channels if each is not None and str(each).isdecimal())
        return Origin(self._conversations.assigned_agents(message.conversation_id), numbers)

    def _conclude(self, delivery: Delivery, outcome: Outcome) -> None:
        """Apply the outcome to the delivery."""
        match outcome:
            case Done(note):
                self.hub.acknowledge(delivery, outcome=note)
            case Reply(text, message_type, metadata):
                self.hub.reply(delivery, text, message_type=message_type, metadata=metadata or None)
            case ErrorReply(text, exit_code):
                self.hub.reply(delivery, text, message_type="error", metadata={EXIT_CODE: exit_code})
            case Later(seconds):
                self.hub.release(delivery, delay=seconds)


def _is_reading(route: Route) -> bool:
    """Return whether the command only reads, such as /history, and must not delay writers."""
    return isinstance(route, Reply | ErrorReply) or (
        isinstance(route, PersonCommand) and route.name in READING_COMMANDS
    )


if __name__ == "__main__":
    main(UserCommDaemon, component.tables)
