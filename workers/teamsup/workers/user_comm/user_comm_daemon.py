"""user_comm: between people and the team. Answers what it can, passes on the rest and brings back the answers."""

import asyncio
import contextlib
import os
import time
from typing import Any, ClassVar

from teamsup.config.loader import Config
from teamsup.config.people_protocol import DECISION_ANSWER, USER_COMM, CommandDefinition, find_command
from teamsup.config.sections import TeamSection
from teamsup.hub import Agent, CallerError, Delivery, Message, MessageHub, StoreError
from teamsup.terminal.console import EXIT_CODE

from ..pattern_matcher import PatternMatcher
from ..protocol import DELETED_TYPE, EDITED_TYPE, GATEWAY
from ..worker import Worker, main
from .announcements import Announcer
from .commands import MUTATING_COMMANDS, CommandHandler
from .conversations import Conversations
from .decisions.service import DecisionService
from .people import split_context
from .requests.follow_up import FollowUp
from .requests.forwarding import Forwarder
from .requests.relays import Relays
from .routing.live_rules import LiveRules
from .routing.rules import (
    ErrorReply,
    Forward,
    Origin,
    PersonCommand,
    Reply,
    RoutingRules,
    describe_slow_pattern,
    route_line,
    with_matched_patterns,
)

_POLL_SECONDS = 1.0
_EDITED_PREFIX = "edited: "
_ANNOUNCED_TYPES = ("notification", "status_report")


class UserCommDaemon(Worker):
    """Brings what people write to the right agent, tells them how it goes, and answers what it knows itself."""

    name: ClassVar[str] = USER_COMM

    def __init__(self, hub: MessageHub, settings: Config) -> None:
        super().__init__(hub, settings)
        self._rules = LiveRules(hub, settings, self.log)
        self._matcher = PatternMatcher()
        self._conversations = Conversations(hub)
        self._relays = Relays(hub)
        self._forwarder = Forwarder(hub, self._relays, self._conversations, lambda: self._rules.section)
        self._decisions = DecisionService(
            hub, lambda: self._rules.section, lambda: self._rules.gateway, self._relays.question_of, self.log
        )
        self._relays.on_withdrawn = self._decisions.withdraw
        unread_seconds = settings.section("team", TeamSection).unread_seconds
        self._follow_up = FollowUp(
            hub, self._forwarder, self._relays, lambda: self._rules.section, unread_seconds, self.log
        )
        self._commands = CommandHandler(hub, self._relays, self._conversations, self._decisions.describe_pending)
        self._announcer = Announcer(hub, lambda: self._rules.gateway)
        self._follow_up_wanted = asyncio.Event()
        self._decision_wanted = asyncio.Event()

    def presence_details(self) -> dict[str, Any]:
        return {"note": describe_slow_pattern(self._rules.cached, self._matcher)}

    async def heartbeat(self) -> None:
        """Look also at the rules, which count as soon as they are saved."""
        with contextlib.suppress(StoreError):
            await self.in_thread(lambda: self._rules.rules)
        if self._rules.failure:
            await self.degrade("configuration", self._rules.failure)
        else:
            await self.recover("configuration")
        await super().heartbeat()

    async def work(self) -> None:
        """Look after what is open; while nothing is, wait."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_up_loop())
            tasks.create_task(self._decision_loop())

    async def _decision_loop(self) -> None:
        while True:
            self._decision_wanted.clear()
            try:
                seconds = await self.in_thread(self._decisions.run_due, time.time())
            except StoreError as error:
                await self.degrade("decisions", f"Cannot look after what is to be decided: {error}")
                seconds = _POLL_SECONDS
            else:
                await self.recover("decisions")
            self._follow_up_wanted.set()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._decision_wanted.wait(), seconds)

    async def _follow_up_loop(self) -> None:
        while True:
            self._follow_up_wanted.clear()
            try:
                is_open = await self.in_thread(self._follow_up.poll)
            except StoreError as error:
                await self.degrade("questions", f"Cannot look after open questions: {error}")
                is_open = True
            else:
                await self.recover("questions")
            if self._follow_up.failure:
                await self.degrade("following", self._follow_up.failure)
            else:
                await self.recover("following")
            if is_open:
                await asyncio.sleep(_POLL_SECONDS)
            else:
                await self._follow_up_wanted.wait()

    async def handle(self, delivery: Delivery) -> None:
        rules = await self.in_thread(lambda: self._rules.rules)
        line = split_context(delivery.message)[0].removeprefix(_EDITED_PREFIX)
        found = await self.in_thread(with_matched_patterns, rules, line, self._matcher)
        await self.in_thread(self._dispatch, delivery, found)
        self._follow_up_wanted.set()
        if delivery.message.is_decision_request:
            self._decision_wanted.set()

    def on_unread(self, message: Message, agent: Agent) -> None:
        """Whoever follows a question tells that too."""

    def _dispatch(self, delivery: Delivery, rules: RoutingRules) -> None:
        message = delivery.message
        question = None if message.reply_to is None else self._relays.question_of(message.reply_to)
        changed = message.reply_to if message.sender == GATEWAY else None
        if message.message_type == DELETED_TYPE and changed is not None:
            self._withdraw(delivery, changed)
        elif message.message_type == EDITED_TYPE and changed is not None:
            self._forward_edit(delivery, changed, rules)
        elif message.is_decision_request:
            self._decisions.open_decision(delivery)
        elif message.message_type == DECISION_ANSWER:
            self._decisions.answer(delivery)
        elif question is not None:
            self._forwarder.return_answer(delivery, question)
        elif (said := self._forwarder.rejected_message_of(message)) is not None:
            self._forwarder.report_rejected(delivery, said)
        elif message.reply_to is not None and self._relays.is_withdrawn(message.reply_to):
            self.hub.acknowledge(delivery, outcome="about what was withdrawn")
        elif message.message_type in _ANNOUNCED_TYPES or (
            message.reply_to is not None and self._decisions.is_outcome_message(message.reply_to)
        ):
            self._announcer.announce(delivery)
        elif message.reply_to is not None or message.recipient is None:
            self.hub.acknowledge(delivery)
        elif (sender := self.hub.find_agent(message.sender)) is not None and sender.kind == "agent":
            # Agents know how to reach each other; what they say here is for people.
            self._announcer.announce(delivery)
        else:
            self._answer_person(delivery, rules)

    def _answer_person(self, delivery: Delivery, rules: RoutingRules) -> None:
        message = delivery.message
        if (answer := self._decisions.match_line(message)) is not None:
            self._decisions.answer(delivery, answer)
            return
        words, context = split_context(message)
        place = self._origin_of(message)
        self._apply_route(delivery, route_line(words, place, rules, self.hub.agents()), place, context)

    def _apply_route(
        self, delivery: Delivery, found: Reply | ErrorReply | Forward | PersonCommand, place: Origin, context: str
    ) -> None:
        match found:
            case Reply(text):
                self.hub.reply(delivery, text)
            case ErrorReply(text, code):
                self.hub.reply(delivery, text, message_type="error", metadata={EXIT_CODE: code})
            case Forward() as ask:
                self._forwarder.forward(delivery, ask, place, context)
            case PersonCommand(name, rest) if (command := find_command(name)) is not None and command.is_for_worker:
                self._forward_to_worker(delivery, command, rest, place)
            case PersonCommand("decide", rest):
                self._decisions.answer_by_id(delivery, rest)
            case PersonCommand(name, rest):
                self._run_command(delivery, name, rest)

    def _run_command(self, delivery: Delivery, name: str, rest: str) -> None:
        # What only reads, such as /history, holds up nobody's writing.
        with self.hub.transaction() if name in MUTATING_COMMANDS else contextlib.nullcontext():
            try:
                answer = self._commands.answer(name, rest, delivery.message)
            except CallerError as error:
                self.hub.reply(delivery, str(error), message_type="error", metadata={EXIT_CODE: error.exit_code})
                return
            # A person is helped by that; a script must know that nobody has got its words.
            is_for_nobody = name == "help" and rest
            self.hub.reply(delivery, answer, metadata={EXIT_CODE: os.EX_NOUSER} if is_for_nobody else None)

    def _forward_to_worker(self, delivery: Delivery, command: CommandDefinition, rest: str, place: Origin) -> None:
        worker = self.hub.find_agent(command.worker)
        if worker is None:
            self.hub.reply(delivery, f"There is no {command.worker} in this team.", message_type="error")
        else:
            self._forwarder.forward(delivery, Forward((worker,), f"{command.request} {rest}".strip()), place)

    def _withdraw(self, delivery: Delivery, question: str) -> None:
        """A person has deleted their question: nobody need answer it."""
        with self.hub.transaction():
            self._relays.withdraw(question, delivery.message.conversation_id, "deleted")
            self.hub.acknowledge(delivery, outcome="withdrawn")

    def _forward_edit(self, delivery: Delivery, question: str, rules: RoutingRules) -> None:
        """A person has edited their question after it was read."""
        message = delivery.message
        edited, context = split_context(message)
        place = self._origin_of(message)
        found = route_line(edited.removeprefix(_EDITED_PREFIX), place, rules, self.hub.agents())
        words = found.text if isinstance(found, Forward) else edited.removeprefix(_EDITED_PREFIX)
        asked = found.agents if isinstance(found, Forward) else ()
        if not self._forwarder.forward_edit(delivery, question, words, context, asked):
            self._apply_route(delivery, found, place, context)

    def _origin_of(self, message: Message) -> Origin:
        channels = [message.metadata.get("channel")]
        if message.sender == GATEWAY and (message.conversation_id or "").startswith("discord:"):
            channels.append((message.conversation_id or "").removeprefix("discord:"))
        numbers = frozenset(int(each) for each in channels if each is not None and str(each).isdecimal())
        return Origin(self._conversations.assigned_agents(message.conversation_id), numbers)


if __name__ == "__main__":
    main(UserCommDaemon)
