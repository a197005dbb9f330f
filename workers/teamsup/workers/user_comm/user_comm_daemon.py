"""user_comm: between people and the team. Answers what it can, passes on the rest and brings back the answers."""

import asyncio
import contextlib
import os
import time
from typing import Any, ClassVar

from teamsup.hub import Agent, CallerError, Delivery, Message, MessageHub, StoreError
from teamsup.hub.console import EXIT_CODE
from teamsup.hub.sections import TeamSection
from teamsup.hub.settings import Settings

from ..patterns import Patterns
from ..worker import Worker, main
from .commands import CHANGING, Commands
from .conversations import Conversations
from .decision import ANSWERS
from .decisions import Decisions
from .following import Following
from .news import News
from .people import GATEWAY, own_words
from .relays import Relays
from .requests import Requests
from .routing import ASKED_OF_WORKERS, Ask, Command, Place, Refuse, Rules, Say, route, trouble, with_found
from .rules_file import RulesFile

_LOOK_SECONDS = 1.0
_EDITED = "edited: "
_TOLD = ("notification", "status_report")


class UserComm(Worker):
    """Brings what people write to the right agent, tells them how it goes, and answers what it knows itself."""

    name: ClassVar[str] = "user_comm"

    def __init__(self, hub: MessageHub, settings: Settings) -> None:
        super().__init__(hub, settings)
        self._rules = RulesFile(hub, settings, self.log)
        self._patterns = Patterns()
        self._conversations = Conversations(hub)
        self._relays = Relays(hub)
        self._requests = Requests(hub, self._relays, self._conversations, lambda: self._rules.section)
        self._decisions = Decisions(
            hub, lambda: self._rules.section, lambda: self._rules.gateway, self._relays.question_behind, self.log
        )
        self._relays.taken_back = self._decisions.withdraw
        unread_seconds = settings.section("team", TeamSection).unread_seconds
        self._following = Following(
            hub, self._requests, self._relays, lambda: self._rules.section, unread_seconds, self.log
        )
        self._commands = Commands(hub, self._relays, self._conversations, self._decisions.lines)
        self._news = News(hub, lambda: self._rules.gateway)
        self._something_came = asyncio.Event()
        self._something_asked = asyncio.Event()

    def details(self) -> dict[str, Any]:
        return {"note": trouble(self._rules.last, self._patterns)}

    async def beat(self) -> None:
        """Look also at the rules, which count as soon as they are saved."""
        with contextlib.suppress(StoreError):
            await self.in_thread(lambda: self._rules.rules)
        if self._rules.trouble:
            await self.degrade("configuration", self._rules.trouble)
        else:
            await self.recover("configuration")
        await super().beat()

    async def work(self) -> None:
        """Look after what is open; while nothing is, wait."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._tend_decisions())

    async def _tend_decisions(self) -> None:
        while True:
            self._something_asked.clear()
            try:
                seconds = await self.in_thread(self._decisions.tick, time.time())
            except StoreError as error:
                await self.degrade("decisions", f"Cannot look after what is to be decided: {error}")
                seconds = _LOOK_SECONDS
            else:
                await self.recover("decisions")
            self._something_came.set()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._something_asked.wait(), seconds)

    async def _follow(self) -> None:
        while True:
            self._something_came.clear()
            try:
                is_open = await self.in_thread(self._following.look)
            except StoreError as error:
                await self.degrade("questions", f"Cannot look after open questions: {error}")
                is_open = True
            else:
                await self.recover("questions")
            if self._following.trouble:
                await self.degrade("following", self._following.trouble)
            else:
                await self.recover("following")
            if is_open:
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                await self._something_came.wait()

    async def handle(self, delivery: Delivery) -> None:
        rules = await self.in_thread(lambda: self._rules.rules)
        line = own_words(delivery.message)[0].removeprefix(_EDITED)
        found = await self.in_thread(with_found, rules, line, self._patterns)
        await self.in_thread(self._handle, delivery, found)
        self._something_came.set()
        if delivery.message.asks_people:
            self._something_asked.set()

    def still_unread(self, message: Message, agent: Agent) -> None:
        """Whoever follows a question tells that too."""

    def _handle(self, delivery: Delivery, rules: Rules) -> None:
        message = delivery.message
        question = None if message.reply_to is None else self._relays.question_behind(message.reply_to)
        changed = message.reply_to if message.sender == GATEWAY else None
        if message.message_type == "deleted" and changed is not None:
            self._withdraw(delivery, changed)
        elif message.message_type == "edited" and changed is not None:
            self._change(delivery, changed, rules)
        elif message.asks_people:
            self._decisions.open(delivery)
        elif message.message_type == ANSWERS:
            self._decisions.answer(delivery)
        elif question is not None:
            self._requests.bring_back(delivery, question)
        elif (said := self._requests.said_to_gateway(message)) is not None:
            self._requests.tell_refused(delivery, said)
        elif message.reply_to is not None and self._relays.is_taken_back(message.reply_to):
            self.hub.acknowledge(delivery, outcome="about what was withdrawn")
        elif message.message_type in _TOLD or (
            message.reply_to is not None and self._decisions.is_outcome(message.reply_to)
        ):
            self._news.tell(delivery)
        elif message.reply_to is not None or message.recipient is None:
            self.hub.acknowledge(delivery)
        elif (sender := self.hub.agent_named(message.sender)) is not None and sender.kind == "agent":
            # Agents know how to reach each other; what they say here is for people.
            self._news.tell(delivery)
        else:
            self._answer(delivery, rules)

    def _answer(self, delivery: Delivery, rules: Rules) -> None:
        message = delivery.message
        if (answer := self._decisions.pick(message)) is not None:
            self._decisions.answer(delivery, answer)
            return
        words, context = own_words(message)
        place = self._place(message)
        self._act(delivery, route(words, place, rules, self.hub.agents()), place, context)

    def _act(self, delivery: Delivery, found: Say | Refuse | Ask | Command, place: Place, context: str) -> None:
        match found:
            case Say(text):
                self.hub.reply(delivery, text)
            case Refuse(text, code):
                self.hub.reply(delivery, text, message_type="error", metadata={EXIT_CODE: code})
            case Ask() as ask:
                self._requests.pass_on(delivery, ask, place, context)
            case Command(name, rest) if name in ASKED_OF_WORKERS:
                self._ask_worker(delivery, name, rest, place)
            case Command("decide", rest):
                self._decisions.answer_by_id(delivery, rest)
            case Command(name, rest):
                self._do(delivery, name, rest)

    def _do(self, delivery: Delivery, name: str, rest: str) -> None:
        # What only reads, such as /history, holds up nobody's writing.
        with self.hub.transaction() if name in CHANGING else contextlib.nullcontext():
            try:
                answer = self._commands.answer(name, rest, delivery.message)
            except CallerError as error:
                self.hub.reply(delivery, str(error), message_type="error", metadata={EXIT_CODE: error.exit_code})
                return
            # A person is helped by that; a script must know that nobody has got its words.
            is_for_nobody = name == "help" and rest
            self.hub.reply(delivery, answer, metadata={EXIT_CODE: os.EX_NOUSER} if is_for_nobody else None)

    def _ask_worker(self, delivery: Delivery, command: str, rest: str, place: Place) -> None:
        name, words = ASKED_OF_WORKERS[command]
        worker = self.hub.agent_named(name)
        if worker is None:
            self.hub.reply(delivery, f"There is no {name} in this team.", message_type="error")
        else:
            self._requests.pass_on(delivery, Ask((worker,), f"{words} {rest}".strip()), place)

    def _withdraw(self, delivery: Delivery, question: str) -> None:
        """A person has deleted their question: nobody need answer it."""
        with self.hub.transaction():
            self._relays.withdraw(question, delivery.message.conversation_id, "deleted")
            self.hub.acknowledge(delivery, outcome="withdrawn")

    def _change(self, delivery: Delivery, question: str, rules: Rules) -> None:
        """A person has edited their question after it was read."""
        message = delivery.message
        edited, context = own_words(message)
        place = self._place(message)
        found = route(edited.removeprefix(_EDITED), place, rules, self.hub.agents())
        words = found.text if isinstance(found, Ask) else edited.removeprefix(_EDITED)
        asked = found.agents if isinstance(found, Ask) else ()
        if not self._requests.change(delivery, question, words, context, asked):
            self._act(delivery, found, place, context)

    def _place(self, message: Message) -> Place:
        channels = [message.metadata.get("channel")]
        if message.sender == GATEWAY and (message.conversation_id or "").startswith("discord:"):
            channels.append((message.conversation_id or "").removeprefix("discord:"))
        numbers = frozenset(int(each) for each in channels if each is not None and str(each).isdecimal())
        return Place(self._conversations.agents_of(message.conversation_id), numbers)


if __name__ == "__main__":
    main(UserComm)
