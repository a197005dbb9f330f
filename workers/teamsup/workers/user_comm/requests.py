"""Requests: what people ask is passed on to agents, and the answers are brought back.

What a message of ours to an agent notes in its metadata, ``question``, is the way back, also after years and restarts.
The table ``relays`` knows those that are open.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from teamsup.hub import Agent, Delivery, Message, MessageHub, UnknownMessage
from teamsup.hub.clock import to_text
from teamsup.hub.sections import UserCommSection

from .conversations import NO_HISTORY, Conversations, History, first_version
from .people import GATEWAY, as_said_by, as_shown, fitting, name_of, own_words, passed_on, person_of, short
from .progress import absence, reported
from .routing import ASKED_OF_WORKERS, Ask, Place

QUESTION = "question"
ABOUT = "about"
"""The same in what else we tell an agent of a question: who replies to that answers the question."""
_LATE_SECONDS = 120.0
_SHOWN = tuple(f"/{command}" for command in ASKED_OF_WORKERS)
NEWS = {"progress": True}
"""Metadata of what we tell of a question ourselves, which later news overtake."""
_THROUGH = ("error", "status_report")


class Requests:
    """Its verbs block, and raise the hub's errors."""

    def __init__(self, hub: MessageHub, conversations: Conversations, section: Callable[[], UserCommSection]) -> None:
        self._hub = hub
        self._conversations = conversations
        self._section = section
        self.taken_back: Callable[[str], object] = lambda _: None
        """Told of each message that we take back from an agent, in the same transaction."""

    def pass_on(self, delivery: Delivery, ask: Ask, place: Place, context: str = "") -> None:
        """Give what a person wrote to these agents. ``context`` is what the gateway has added to it."""
        question = delivery.message
        if (refusal := self._refusal(question)) is not None:
            self._hub.reply(delivery, refusal, message_type="error")
            return
        now = datetime.now(UTC)
        with self._hub.transaction():
            news: list[str] = []
            taken: set[str] = set()
            root, limit = self._root(question).id, self._section().history_messages
            for agent in ask.agents:
                asked, absent = self._present(agent, now)
                news += absent
                if asked.name in taken:
                    continue
                taken.add(asked.name)
                is_new = asked.kind == "agent" and asked.name not in place.agents
                history = self._conversations.history(question, limit) if is_new else NO_HISTORY
                relay = self._send(asked, ask.text, question, root=root, context=context, history=history)
                if absent:
                    self._hub.mark_told((relay, asked.name))
                    self._tell_later(relay, "\n".join(absent))
            if ask.stays:
                self._conversations.stay(question, [agent.name for agent in ask.agents if agent.kind == "agent"])
            if news:
                self._hub.reply(delivery, "\n".join(news), message_type="status_report", metadata=NEWS)
            else:
                self._hub.acknowledge(delivery, outcome="passed on")

    def change(self, delivery: Delivery, original: str, words: str, context: str, asked: Sequence[Agent]) -> bool:
        """A person has edited a question that we have passed on: who has read it gets the new words too, who has not
        only these. False when nobody has it, or others are to have it now."""
        question = delivery.message
        relays: dict[str, list[Message]] = {}
        for relay in self.relays_of(original, question.conversation_id):
            relays.setdefault(relay.recipient or "", []).append(relay)
        if not relays or (asked and {agent.name for agent in asked} != set(relays)):
            return False
        with self._hub.transaction():
            for name, theirs in relays.items():
                if (agent := self._hub.agent_named(name)) is not None:
                    self._send_edited(agent, theirs, words, context, question)
            self._hub.acknowledge(delivery, outcome="passed on")
        return True

    def _send_edited(
        self, agent: Agent, relays: Sequence[Message], words: str, context: str, question: Message
    ) -> None:
        root = self._root(question).id
        for relay in relays:
            self._cancel_reminders(relay)
        if any(self._has_read(relay) for relay in relays):
            reply_to = relays[-1].message_id
            self._send(agent, f"edited: {words}", question, root=root, context=context, reply_to=reply_to)
        else:
            for relay in relays:
                self._hub.cancel(relay.message_id)
            self._send(agent, words, question, root=root, context=context)

    def bring_back(self, delivery: Delivery, question: Message) -> None:
        """Give an agent's answer to whoever asked."""
        answer = delivery.message
        with self._hub.transaction():
            if answer.reply_to is not None and self.is_taken_back(answer.reply_to):
                self._hub.acknowledge(delivery, outcome="the person has withdrawn the question")
                return
            kind = answer.message_type if answer.message_type in _THROUGH else "message"
            about = self._about(question) if kind == "message" else ""
            # What a command shows is a table or a sentence of its own; whose it is says the command.
            is_shown = own_words(question)[0].lower().startswith(_SHOWN)
            said = as_said_by(answer, question.sender, about=about)
            text = as_shown(answer.content, question.sender) if is_shown else said
            self._hub.answer(question, text, message_type=kind, metadata=passed_on(answer))
            if kind == "status_report":
                self._note_report(question, answer)
            else:
                self.close(question, self._asked_with(answer) if answer.sender == "hub" else answer.sender)
            self._hub.acknowledge(delivery)

    def hand_over(self, number: int, now: datetime) -> bool:
        """Give that message, which an absent agent has not read, to its stand-in, if one is there; whether it was."""
        relay = self._hub.message(f"#{number}")
        agent, question = self._hub.agent_named(relay.recipient or ""), self.question_behind(relay.message_id)
        if agent is None or question is None:
            return False
        other, news = self._present(agent, now)
        root = self._root(question).id
        is_asked = self._hub.rows("SELECT 1 FROM relays WHERE question = ? AND agent = ?", (root, other.name))
        if other.name == agent.name or is_asked:
            return False
        with self._hub.transaction():
            if not self._hub.cancel(relay.message_id):
                return False
            words, context = own_words(relay)
            quotes = History(people=tuple(relay.metadata.get("quotes", ())))
            self._hub.change("DELETE FROM relays WHERE message = ?", (relay.id,))
            new = self._send(other, words, question, root=root, context=context, history=quotes)
            self._tell_later(new, news[0])
            self._hub.answer(question, news[0], message_type="status_report", metadata=NEWS)
        return True

    def withdraw(self, question: str, conversation: str | None, why: str) -> list[str]:
        """Nobody need answer that question any more; whom it was taken from."""
        with self._hub.transaction():
            relays = self.relays_of(question, conversation)
            names = [name for relay in relays if (name := self._take_back(relay, why)) is not None]
            self._hub.change(
                "DELETE FROM relays WHERE question IN (SELECT id FROM messages WHERE message_id = ?)",
                (first_version(question),),
            )
        return names

    def stop(self, person: str, conversation: str | None) -> list[str]:
        """Withdraw everything that is open for a person in a conversation; whom it was taken from."""
        with self._hub.transaction():
            where = "FROM relays WHERE person = ? AND conversation IS ?"
            rows = self._hub.rows(f"SELECT message {where}", (person, conversation))
            relays = [self._hub.message(f"#{row['message']}") for row in rows]
            names = [name for relay in relays if (name := self._take_back(relay, "stop")) is not None]
            self._hub.change(f"DELETE {where}", (person, conversation))
        return list(dict.fromkeys(names))

    def remind(self, relay: Message, question: Message) -> None:
        """Ask the agent again. Its answer to this is one to the question too."""
        words = short(own_words(relay)[0], 200)
        self._hub.send(
            relay.recipient or self._hub.agent,
            f'{name_of(question)} still waits for your answer to #{relay.id}: "{words}"',
            metadata={key: value for key, value in relay.metadata.items() if key not in ("words", "quotes")},
            conversation_id=relay.conversation_id,
            reply_to=relay.message_id,
        )

    def close(self, question: Message, agent: str | None = None) -> None:
        """Nothing more is expected of that agent, or of anybody, for this question in all its versions."""
        where, values = "WHERE question = ? AND (? IS NULL OR agent = ?)", (self._root(question).id, agent, agent)
        for row in self._hub.rows(f"SELECT message FROM relays {where}", values):  # noqa: S608
            self._cancel_reminders(self._hub.message(f"#{row['message']}"))
        self._hub.change(f"DELETE FROM relays {where}", values)  # noqa: S608

    def question_behind(self, message_id: str) -> Message | None:
        """The question that we passed on with that message; None when we passed on none."""
        try:
            relay = self._hub.message(message_id)
            if relay.sender == self._hub.agent and (
                question := relay.metadata.get(QUESTION) or relay.metadata.get(ABOUT)
            ):
                return self._hub.message(str(question))
        except UnknownMessage:
            pass
        return None

    def is_taken_back(self, message_id: str) -> bool:
        """Whether an answer to that message of ours is one to nothing any more: we have taken it back, or it says so.
        Whoever had ended it may still answer, also to a reminder of it."""
        states = self._hub.trace(message_id)
        if states and all(state.state == "cancelled" for state in states):
            return True
        return bool(self._hub.rows(_TAKEN_BACK, {"message": message_id, "me": self._hub.agent}))

    def relays_of(self, question: str, conversation: str | None) -> list[Message]:
        """What we passed on of that question, in all its versions: ``discord:NUMBER`` and ``discord:NUMBER:TIME``."""
        first = first_version(question)
        rows = self._hub.rows(
            "SELECT message_id, json_extract(CASE WHEN json_valid(metadata) THEN metadata END, '$.question')"
            " AS question FROM messages WHERE conversation_id IS ? AND sender = ? AND (question = ? OR question GLOB ?)"
            " ORDER BY id",
            (conversation, self._hub.agent, first, f"{first}:*"),
        )
        return [self._hub.message(row["message_id"]) for row in rows]

    def _send(
        self,
        agent: Agent,
        words: str,
        question: Message,
        *,
        root: int,
        context: str,
        history: History = NO_HISTORY,
        reply_to: str | None = None,
    ) -> Message:
        metadata: dict[str, Any] = {
            "from": name_of(question),
            "person": person_of(question),
            QUESTION: question.message_id,
            "words": len(words),
        }
        if question.sender == GATEWAY:
            metadata["origin"] = "Discord"
        if history.people:
            metadata["quotes"] = list(history.people)
        relay = self._hub.send(
            agent.name,
            fitting(f"{words}{context}{history.text}", metadata, question),
            priority=question.priority,
            metadata=metadata,
            conversation_id=question.conversation_id,
            reply_to=reply_to,
        )
        self._hub.change("DELETE FROM relays WHERE question = ? AND agent = ?", (root, agent.name))
        self._hub.change(
            "INSERT INTO relays (message, question, conversation, person, agent, begun_at) VALUES (?, ?, ?, ?, ?, ?)",
            (relay.id, root, question.conversation_id, person_of(question), agent.name, to_text(time.time())),
        )
        return relay

    def _tell_later(self, relay: Message, told: str) -> None:
        self._hub.change("UPDATE relays SET told = ? WHERE message = ?", (told, relay.id))

    def _refusal(self, question: Message) -> str | None:
        section = self._section()
        for what, column, value, limit in (
            ("You have", "person", person_of(question), section.open_per_person),
            ("This conversation has", "conversation", question.conversation_id, section.open_per_conversation),
        ):
            sql = f"SELECT count(DISTINCT question) FROM relays WHERE {column} = ?"  # noqa: S608
            if self._hub.rows(sql, (value,))[0][0] >= limit:
                return f"{what} {limit} open questions; wait for an answer, or withdraw them with /stop."
        return None

    def _present(self, agent: Agent, now: datetime) -> tuple[Agent, list[str]]:
        """Whom to ask, the agent or its stand-in, and what the person should know of that."""
        if agent.is_present(now):
            return agent, []
        name = {key.lower(): other for key, other in self._section().stand_ins.items()}.get(agent.name)
        other = self._hub.agent_named(name) if name and name.lower() != self._hub.agent else None
        if other is not None and other.is_present(now):
            return other, [f"{absence(agent, now)}; I ask {other.name} instead."]
        return agent, [f"{absence(agent, now)}; I keep your message."]

    def _take_back(self, relay: Message, why: str) -> str | None:
        """Cancel it, and tell its agent if that has read it; the agent's name, unless it had ended it already."""
        knows = self._has_read(relay)
        taken = self._hub.cancel(relay.message_id, even_if_read=True)
        self._cancel_reminders(relay)
        self.taken_back(relay.message_id)
        if knows and relay.recipient is not None and self._hub.agent_named(relay.recipient) is not None:
            self._hub.send(
                relay.recipient,
                f"{_WITHDRAWN[why]} No answer to #{relay.id} is needed.",
                message_type="deleted",
                conversation_id=relay.conversation_id,
                reply_to=relay.message_id,
            )
        return relay.recipient if taken or knows else None

    def _cancel_reminders(self, relay: Message) -> None:
        """Who need not answer that any more, or has answered, need not read what we said of it since."""
        sql = "SELECT message_id FROM messages WHERE reply_to = ? AND sender = ? AND recipient = ?"
        for row in self._hub.rows(sql, (relay.message_id, self._hub.agent, relay.recipient)):
            self._hub.cancel(row["message_id"])

    def _has_read(self, relay: Message) -> bool:
        return any(state.read_at is not None for state in self._hub.trace(relay.message_id))

    def _note_report(self, question: Message, report: Message) -> None:
        """The person knows it now, and from now on waits anew."""
        self._hub.change(
            "UPDATE relays SET told = ?, begun_at = ?, reminded_at = NULL WHERE question = ? AND agent = ?",
            (
                reported(report.sender, report.content),
                to_text(time.time()),
                self._root(question).id,
                report.sender,
            ),
        )

    def _asked_with(self, notice: Message) -> str | None:
        """Whom the message was for of which the hub says that it came to nothing."""
        return self._hub.message(notice.reply_to).recipient if notice.reply_to else None

    def _about(self, question: Message) -> str:
        """What an answer answers, where that is not plain: it comes late, or something else was asked since. On Discord
        it is a reply."""
        if question.sender == GATEWAY:
            return ""
        age = time.time() - question.created_at.timestamp() if question.created_at else 0.0
        is_last = not self._hub.rows(
            "SELECT 1 FROM messages WHERE conversation_id = ? AND id > ? AND sender = ? LIMIT 1",
            (question.conversation_id, question.id, question.sender),
        )
        return "" if is_last and age < _LATE_SECONDS else f', to "{short(question.content, 60)}"'

    def _root(self, question: Message) -> Message:
        """The first version of it."""
        try:
            return self._hub.message(first_version(question.message_id))
        except UnknownMessage:
            return question


_TAKEN_BACK = """
    SELECT 1 FROM messages AS m JOIN messages AS said
        ON said.message_id = m.message_id OR said.reply_to IN (m.message_id, m.reply_to)
      WHERE m.message_id = :message AND m.sender = :me AND said.sender = :me AND said.message_type = 'deleted' LIMIT 1
"""
_WITHDRAWN = {
    "deleted": "The person has deleted this message.",
    "stop": "The person has withdrawn this: stop.",
}
