"""The protocol between people and the team: the worker that answers people, the messages of a decision, and the
commands. The command line, Claude Code sessions and workers use it.
"""

from dataclasses import dataclass

from teamsup.hub import Message

USER_COMM = "user_comm"
"""The worker that answers people and asks them to decide."""

DECISION_REQUEST, DECISION_ANSWER = "opinion_request", "opinion_response"
"""The message types of a question that people decide, and of its answer."""

DECISION_WITHDRAWAL = "opinion_withdrawn"
"""The message type with which the asker takes back a request for a decision. It replies to the request."""

UNKNOWN_DECIDERS = "unknown_deciders"
"""The metadata key with the named deciders that the team does not know. A message with this key is a notice, not a
decision.
"""

MAX_OPTIONS = 5
"""The maximum number of options of one decision."""


def is_decision_request(message: Message) -> bool:
    """Return whether a message asks people to decide. Its expiry is their deadline."""
    return message.message_type == DECISION_REQUEST or bool(message.metadata.get("options"))


@dataclass(frozen=True, slots=True)
class CommandArgument:
    """One argument of a person's command."""

    name: str
    help: str
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class CommandDefinition:
    """A command that people send to the team, such as ``/ack 3``."""

    name: str
    help: str
    arguments: tuple[CommandArgument, ...] = ()
    worker: str = USER_COMM
    """The worker that answers it."""
    request: str = ""
    """The text that user_comm sends to the other worker."""

    @property
    def usage(self) -> str:
        """Return its usage: ``/ask AGENT TEXT``."""
        names = ((argument.name.upper(), argument.is_optional) for argument in self.arguments)
        return " ".join((f"/{self.name}", *(f"[{name}]" if is_optional else name for name, is_optional in names)))

    @property
    def is_for_worker(self) -> bool:
        """Return whether a worker other than user_comm answers it."""
        return self.worker != USER_COMM


PEOPLE_COMMANDS = (
    CommandDefinition("help", "list the commands"),
    CommandDefinition("status", "show the state of the team, and unread messages"),
    CommandDefinition("agents", "list the agents of the team"),
    CommandDefinition(
        "ask",
        "ask an agent",
        (CommandArgument("agent", "the agent's name"), CommandArgument("text", "what you want to know")),
    ),
    CommandDefinition("stop", "withdraw your questions in this conversation"),
    CommandDefinition("new", "start a new conversation, without an agent"),
    CommandDefinition(
        "decide",
        "answer an agent's question to people",
        (
            CommandArgument("id", "the decision's number"),
            CommandArgument("answer", "an option, its number, or your words"),
        ),
    ),
    CommandDefinition(
        "trace",
        "show the state of your last question, or of a message",
        (CommandArgument("id", "the message's number, such as #12", is_optional=True),),
    ),
    CommandDefinition(
        "history",
        "show the last messages of this conversation",
        (CommandArgument("count", "how many messages, up to 50", is_optional=True),),
    ),
    CommandDefinition("ps", "list the processes that run", worker="supervisor", request="status"),
)
"""The commands of people that user_comm and the supervisor answer, in the order in which help shows them."""
