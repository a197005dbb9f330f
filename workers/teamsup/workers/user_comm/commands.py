"""The commands of people that user_comm answers itself."""

from collections.abc import Sequence
from datetime import UTC, datetime

from teamsup.config.components import people_commands
from teamsup.config.startable_agents import list_agents
from teamsup.hub import Agent, CallerError, InvalidMessage, Message, MessageHub, UnknownMessage
from teamsup.hub.errors import ExitCode
from teamsup.hub.models import DeliveryState
from teamsup.terminal.console import EXIT_CODE
from teamsup.terminal.formatting import describe_delivery, describe_presence

from .classification import split_context
from .conversations import Conversations
from .decisions.service import DecisionService
from .outcome import ErrorReply, Reply
from .people import person_of, quote_messages, shorten
from .requests.relays import Relays

_MENTIONS = (
    ("@AGENT TEXT", "ask AGENT; the conversation stays with it until /new"),
    ("@ONE @TWO TEXT", "ask several agents at once"),
    ("/attach FILE TEXT", "in a terminal: send a file of this host"),
)

READING_COMMANDS = ("help", "status", "agents", "trace", "history")
"""The commands that change nothing."""
_HISTORY, _MAX_HISTORY = 10, 50


class CommandHandler:
    """Answers commands of people. Its methods block, and raise the hub's errors."""

    def __init__(
        self,
        hub: MessageHub,
        relays: Relays,
        conversations: Conversations,
        decisions: DecisionService,
    ) -> None:
        self._hub = hub
        self._relays = relays
        self._conversations = conversations
        self._decisions = decisions

    def answer(self, name: str, rest: str, message: Message) -> Reply | ErrorReply:
        """Run the command, and return its answer."""
        try:
            text = self._answer(name, rest, message)
        except CallerError as error:
            return ErrorReply(str(error), error.exit_code)
        # A person gets the help text. A script must learn that no agent has got its message.
        is_for_nobody = name == "help" and rest
        return Reply(text, metadata={EXIT_CODE: ExitCode.UNKNOWN} if is_for_nobody else {})

    def _answer(self, name: str, rest: str, message: Message) -> str:
        """Run the command, and return its answer. Raise CallerError for wrong arguments."""
        match name:
            case "status":
                pending = self._decisions.describe_pending()
                return render_status(list_agents(self._hub), self._relays.count_by_agent(), pending, datetime.now(UTC))
            case "agents":
                return render_agents(list_agents(self._hub), datetime.now(UTC))
            case "new":
                self._conversations.reset(message.conversation_id, message)
                return "A new conversation. Name an agent to talk to it: @AGENT your text"
            case "stop":
                return self._stop(message)
            case "trace":
                return self._trace(rest, message)
            case "history":
                return self._history(rest, message)
            case _:
                return "\n".join(filter(None, (rest, render_help())))

    def _stop(self, message: Message) -> str:
        withdrawn = self._relays.withdraw_all(person_of(message), message.conversation_id)
        self._decisions.withdraw(withdrawn.relays)
        names = ", ".join(withdrawn.agents)
        return f"Withdrawn from {names}." if names else "You have no open question here."

    def _trace(self, wanted: str, message: Message) -> str:
        """Show only messages of this conversation, because others belong to other people."""
        last = self._relays.last_question(person_of(message), message.conversation_id)
        if (found := self._find_message(wanted) if wanted else last) is None:
            return "You have no open question here. For another message: /trace ID"
        if found.conversation_id != message.conversation_id or not found.conversation_id:
            raise UnknownMessage(f"There is no message {shorten(wanted, 60)} in this conversation.")
        relays = self._relays.relays_of(found.message_id, found.conversation_id) or [found]
        states = [state for relay in relays for state in self._hub.queries.trace(relay.message_id)]
        return "\n".join(
            [
                f"#{found.id} {shorten(split_context(found)[0], 60)}",
                *(f"  {describe_outcome(state)}" for state in states),
            ]
        )

    def _find_message(self, wanted: str) -> Message:
        """Return the message. Treat a message of another conversation like an unknown message."""
        try:
            return self._hub.queries.message(wanted)
        except UnknownMessage:
            return Message(0, "", "", None, "")

    def _history(self, wanted: str, message: Message) -> str:
        if wanted and not (wanted.isdecimal() and len(wanted) < 4 and 0 < int(wanted) <= _MAX_HISTORY):
            raise InvalidMessage(f"How many? Write a number from 1 to {_MAX_HISTORY}: /history 20")
        earlier = self._conversations.messages_before(message.conversation_id, message.id, int(wanted or _HISTORY))
        return quote_messages(earlier, self._hub.agent) or "There are no messages here yet."


def render_help() -> str:
    """Return all commands of people, a line each."""
    lines = [*((command.usage, command.help) for command in people_commands()), *_MENTIONS]
    return "\n".join(f"{usage:<18}{text}" for usage, text in lines)


def render_agents(agents: Sequence[Agent], now: datetime) -> str:
    """Return all agents except people's consoles, a line each."""
    lines = [_render_agent(agent, now) for agent in agents if agent.kind != "console"]
    return "\n".join(lines) or "No agent is here yet."


def render_status(
    agents: Sequence[Agent], asked: Sequence[tuple[str, int]], pending: Sequence[str], now: datetime
) -> str:
    """Return the state of daemons, waiting messages, and open questions."""
    lines = [_render_agent(agent, now) for agent in agents if _is_listed(agent, now)]
    waiting = [f"{agent.name} {agent.unread}" for agent in agents if agent.unread and agent.kind != "console"]
    lines.append("unread: " + (", ".join(waiting) if waiting else "none"))
    if asked:
        lines.append("asked and not answered: " + ", ".join(f"{name} {count}" for name, count in asked))
    if pending:
        lines += ["to be decided:", *pending]
    return "\n".join(lines)


def _is_listed(agent: Agent, now: datetime) -> bool:
    """Return whether the agent belongs in the list of daemons. A user's own worker belongs there only while it is
    degraded.
    """
    return agent.kind in ("daemon", "supervisor") or (agent.is_present(now) and bool(agent.degraded))


def describe_outcome(state: DeliveryState) -> str:
    """Return the state of a message for one recipient."""
    outcome = f"; {shorten(state.outcome, 200)}" if state.outcome else ""
    where = "undeliverable" if state.undeliverable else state.state
    return f"{state.recipient}: {where}; {describe_delivery(state)}{outcome}"


def _render_agent(agent: Agent, now: datetime) -> str:
    return f"{agent.name}: {describe_presence(agent, now)}" + (f" ({agent.note})" if agent.note else "")
