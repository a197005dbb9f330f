"""A person at a terminal, as an agent of the team."""

import contextlib
import itertools
import os
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from teamsup.config.people_protocol import DECISION_REQUEST, USER_COMM
from teamsup.hub.errors import ExitCode, InvalidName
from teamsup.hub.errors import NoAnswer as NoAnswer
from teamsup.hub.message_hub import LEASE_SECONDS, MessageHub
from teamsup.hub.models import RESERVED_KINDS, Agent, Delivery, Message
from teamsup.hub.team import Team, fold_case
from teamsup.hub.wakeup.file_lock import try_lock

from .attachment import attach_file
from .hints import command_hint

MORE_ANSWERS = "more_answers"
"""Metadata of an answer: the number of other agents that still have to answer."""

EXIT_CODE = "exit_code"
"""Metadata of an answer that reports a failure: the exit code for a script's command."""


SESSION_AGENT = "session"
"""Metadata of a message from a command that Claude Code ran: the agent of that session."""


_LOOK_SECONDS = 0.05
_numbers = itertools.count()


def console_name() -> str:
    """Return the name of the person who runs this command."""
    import getpass  # for persons, not for workers

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return "console-" + re.sub(r"[^a-z0-9_.-]", "-", user.lower())[:40]


def person_name(console: str) -> str:
    """Return the name of the person at a console: ``ann`` for ``console-ann`` or ``console-ann-2``."""
    return re.sub(r"^console-(.+?)(-\d+)?$", r"\1", console)


def session_metadata() -> dict[str, Any]:
    """Return metadata that shows whether an agent runs this process: Claude Code marks the shells of its model."""
    return {SESSION_AGENT: fold_case(os.environ.get("TEAMSUP_AGENT") or "lead")} if os.environ.get("CLAUDECODE") else {}


def is_console_name_held(team: Team, name: str) -> bool:
    """Return whether a terminal holds that name now."""
    team.create()
    file = try_lock(team.run / f"{name}.lock")
    if file is None:
        return True
    os.close(file)
    return False


def acquire_console_name(team: Team) -> str:
    """Return the first of the person's names that no other terminal uses, and hold it until this process ends. The name
    is the same on the next day, so the person then finds late answers.
    """
    base = console_name()
    name, number = base, 1
    while try_lock(team.run / f"{name}.lock") is None:
        number += 1
        name = f"{base}-{number}"
    return name


@contextlib.contextmanager
def open_as(team: Team, agent: str | None) -> Iterator[MessageHub]:
    """Open the hub under an agent's name, by default the person's. Raise InvalidName for a daemon's name."""
    with MessageHub(team, agent=agent or console_name(), model=agent is not None) as hub:
        if agent is None:
            hub.enroll(hub.agent, "console")
        elif (known := hub.find_agent(hub.agent)) is not None and known.kind in RESERVED_KINDS:
            raise InvalidName(f"{hub.agent!r} is a part of the team itself; nobody else may speak or read as it.")
        yield hub


@contextlib.contextmanager
def open_console(team: Team, name: str) -> Iterator[MessageHub]:
    """Open the hub for a person, who is then present."""
    with MessageHub(team, agent=name) as hub:
        hub.register("console", pid=os.getpid())
        try:
            yield hub
        finally:
            hub.maintenance.mark_offline(name)


def ask_once(
    team: Team,
    recipient: str,
    content: str,
    seconds: float,
    *,
    message_type: str = "message",
    metadata: Mapping[str, Any] | None = None,
    person: str | None = None,
) -> Message:
    """Ask under a temporary name, and return the answer. Raise NoAnswer. ``person`` is the console name of the asker;
    default: of the person who runs this command.
    """
    name = temporary_name(person or console_name())
    with open_console(team, name) as hub:
        about = {**(metadata or {}), **(session_metadata() if person is None else {})}
        question = hub.send(recipient, content, message_type=message_type, metadata=about, expires_in=seconds)
        try:
            for delivery in receive(hub, seconds):
                hub.acknowledge(delivery)
                if is_answer(delivery, question):
                    return delivery.message
        finally:
            hub.maintenance.retire(name)
    raise NoAnswer(f"{recipient} has not answered within {seconds:.0f} s. See: {command_hint(team, 'logs', recipient)}")


def temporary_name(person: str) -> str:
    """Return a name for one question of a person: the person's name, with a number that is unique now."""
    return f"{person}-{os.getpid()}{next(_numbers):04d}"


def is_temporary(console: Agent) -> bool:
    """Return whether a console was made for one question. Its owner reads one answer, and then forgets the console."""
    return re.fullmatch(rf".+-{console.metadata.get('pid')}\d{{4,}}", console.name) is not None


def ask_in_own_name(team: Team, recipient: str, content: str, seconds: float) -> Message:
    """Ask under the person's permanent name, so that later messages about the question arrive. Return the answer. Raise
    NoAnswer.
    """
    with open_as(team, None) as hub:
        question = hub.send(recipient, content, metadata=session_metadata(), expires_in=seconds)
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            # Claiming would take other messages of this person from ``read`` and an open chat.
            for message in hub.queries.find(reply_to=question.message_id, sender=recipient):
                hub.complete_unclaimed(message, outcome="shown")
                return message
            time.sleep(_LOOK_SECONDS)
    raise NoAnswer(f"{recipient} has not answered within {seconds:.0f} s. See: {command_hint(team, 'logs', recipient)}")


class ConsoleChat:
    """One session of a person at a terminal, or of a script: a conversation of its own."""

    def __init__(self, hub: MessageHub) -> None:
        self.hub = hub
        self.conversation = f"{hub.agent}:{os.urandom(4).hex()}"

    def send(self, text: str, message_id: str | None = None) -> Message:
        """Write to the worker that answers people. Raise InvalidMessage if ``/attach`` names no file."""
        content, attached = attach_file(text)
        return self.hub.send(
            USER_COMM,
            content,
            message_id=message_id,
            conversation_id=self.conversation,
            metadata=session_metadata() | attached,
        )

    def contains(self, message: Message) -> bool:
        """Return whether a message belongs to this conversation."""
        return message.conversation_id == self.conversation


def receive(hub: MessageHub, seconds: float, *, lease: float = LEASE_SECONDS, read: bool = True) -> Iterator[Delivery]:
    """Yield messages that arrive within this many seconds. The caller acknowledges each after showing it."""
    ends = time.monotonic() + seconds
    while hub.wait(ends - time.monotonic()):
        yield from hub.claim(lease=lease, read=read)


def is_answer(delivery: Delivery, question: Message) -> bool:
    """Return whether this message is an answer, and not an announcement or progress."""
    return answered_message_id(delivery.message) == question.message_id


def is_final_answer(message: Message) -> bool:
    """Return whether this is the last answer, because all other agents have answered the question."""
    return not message.metadata.get(MORE_ANSWERS)


def answered_message_id(message: Message) -> str | None:
    """Return the id of the answered message. Return None for progress, and for a question to the person."""
    return None if message.message_type in ("status_report", DECISION_REQUEST) else message.reply_to


def exit_code_of(message: Message) -> int:
    """Return a script's exit code for this answer: 0 unless it reports a failure."""
    code = message.metadata.get(EXIT_CODE)
    if isinstance(code, int) and 0 < code < 128:
        return code
    return ExitCode.INTERNAL if message.message_type == "error" else 0


def is_progress(message: Message) -> bool:
    """Return whether the message reports progress of a question, and is not its answer."""
    return message.message_type == "status_report" and message.reply_to is not None
