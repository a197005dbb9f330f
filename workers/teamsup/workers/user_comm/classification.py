"""Classification: decide the kind of a message to user_comm. Pure: the caller passes the facts from the tables."""

from dataclasses import dataclass

from teamsup.config.people_protocol import DECISION_ANSWER, DECISION_WITHDRAWAL, USER_COMM, is_decision_request
from teamsup.hub import Message
from teamsup.hub.models import HUB_SENDER

from ..protocol import ANNOUNCED_TYPES, DELETED_TYPE, EDITED_TYPE, GATEWAY


@dataclass(frozen=True, slots=True)
class MessageContext:
    """Facts about a message, read from the tables."""

    sender_kind: str | None = None
    replied: Message | None = None
    """The message to which this message replies, if it is stored."""
    question: Message | None = None
    """The person's question that the replied message forwards."""
    is_withdrawn: bool = False
    """Whether the replied message no longer needs an answer."""
    is_decision_outcome: bool = False
    """Whether the replied message told an agent the outcome of its decision."""
    decision: int | None = None
    """The number of the decision that the message answers, or 0."""


@dataclass(frozen=True, slots=True)
class Question:
    """A message of a person, which must be routed."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A person has edited a message after it was read."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Deletion:
    """A person has deleted their message."""

    message_id: str


@dataclass(frozen=True, slots=True)
class AgentReply:
    """An agent answers a forwarded question."""

    question: Message


@dataclass(frozen=True, slots=True)
class Progress:
    """An agent reports on a forwarded question, and is still working on it."""

    question: Message


@dataclass(frozen=True, slots=True)
class FailedMessage:
    """The gateway could not show a message of user_comm, or the hub could not deliver it to the gateway."""

    message: Message


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """An agent asks people to decide."""


@dataclass(frozen=True, slots=True)
class DecisionAnswer:
    """A person or an agent answers the decision of this number."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class DecisionWithdrawal:
    """The agent that asked for a decision with this message withdraws it."""

    request: str


@dataclass(frozen=True, slots=True)
class Announcement:
    """An announcement for people."""


@dataclass(frozen=True, slots=True)
class Ignorable:
    """No action is needed."""

    note: str | None = None


Line = Question | Edit
"""A person's text, which must be routed."""
Event = (
    Deletion
    | AgentReply
    | Progress
    | FailedMessage
    | DecisionRequest
    | DecisionAnswer
    | DecisionWithdrawal
    | Announcement
    | Ignorable
)
Classification = Line | Event


def classify(message: Message, context: MessageContext) -> Classification:
    """Return the class of the message. The first matching rule decides."""
    if message.sender == GATEWAY and message.reply_to is not None and message.message_type == DELETED_TYPE:
        return Deletion(message.reply_to)
    if message.sender == GATEWAY and message.reply_to is not None and message.message_type == EDITED_TYPE:
        return Edit(message.reply_to)
    if message.message_type == DECISION_WITHDRAWAL:
        return DecisionWithdrawal(message.reply_to or "")
    if is_decision_request(message):
        return DecisionRequest()
    if message.message_type == DECISION_ANSWER:
        return DecisionAnswer(context.decision or 0, split_context(message)[0])
    if context.question is not None:
        return _classify_reply(message, context, context.question)
    if context.replied is not None and _is_failure(message, context.replied):
        return FailedMessage(context.replied)
    if context.is_withdrawn:
        return Ignorable("about a withdrawn question")
    if message.message_type in ANNOUNCED_TYPES or context.is_decision_outcome:
        return Announcement()
    if message.reply_to is not None or message.recipient is None:
        return Ignorable()
    if context.sender_kind == "agent":
        # Agents can write to each other directly, so their messages to us are for people.
        return Announcement()
    if context.decision is not None:
        return DecisionAnswer(context.decision, split_context(message)[0])
    return Question()


def _classify_reply(message: Message, context: MessageContext, question: Message) -> Classification:
    if context.is_withdrawn:
        return Ignorable("the person has withdrawn the question")
    return Progress(question) if message.message_type == "status_report" else AgentReply(question)


def _is_failure(message: Message, replied: Message) -> bool:
    """Return whether the message reports that the gateway did not show a message of user_comm."""
    is_notice = message.message_type == "error" and message.sender in (GATEWAY, HUB_SENDER)
    return is_notice and (replied.sender, replied.recipient) == (USER_COMM, GATEWAY)


def split_context(message: Message) -> tuple[str, str]:
    """Return a person's text apart from the gateway's additions: a quotation, attachments, a delay."""
    length = message.metadata.get("body_length")
    if not isinstance(length, int) or not 0 <= length <= len(message.content):
        return message.content, ""
    return message.content[:length], message.content[length:]
