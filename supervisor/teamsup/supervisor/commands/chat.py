"""``teamsup chat``: a person and the team, line by line."""

import argparse
import sys
import threading
import time
from dataclasses import dataclass, field

from teamsup.hub import Delivery, Message, MessageHub, Team, TeamsupError
from teamsup.hub.command_line import command_line
from teamsup.hub.console import NoAnswer, console, incoming, is_answer, lasting_name
from teamsup.hub.wording import printable

from ..arguments import amount
from ..state_file import holder, not_running

ADDRESSEE = "user_comm"
_PROMPT = "you> "
_TEAM = "team"
_PATIENCE = 10.0
_HEARTBEAT_SECONDS = 10.0
_LOOK_SECONDS = 0.25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout",
        type=amount,
        default=30.0,
        metavar="SECONDS",
        help="how long to wait for each answer when the lines come from a pipe (default: 30)",
    )


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    team.create()
    with console(team, lasting_name(team)) as hub:
        hub.enroll(ADDRESSEE, "daemon")
        # Nobody else has this name, so what is leased under it was an earlier terminal's that died.
        hub.recover()
        if holder(team) is None:
            print(f"teamsup: What you write is kept. {not_running(team)}", file=sys.stderr)
        if sys.stdin.isatty():
            _Conversation(hub).hold()
            return 0
        answered = [_ask(hub, line.strip(), arguments.timeout) for line in sys.stdin if line.strip()]
    if not all(answered):
        where = command_line(team, "read", "--agent", hub.agent, "--wait", "60")
        raise NoAnswer(f"{answered.count(False)} of {len(answered)} lines have no answer yet. It will come to: {where}")
    return 0


def _send(hub: MessageHub, line: str) -> Message:
    return hub.send(ADDRESSEE, line, conversation_id=hub.agent)


def _ask(hub: MessageHub, line: str, seconds: float) -> bool:
    """One question from a pipe: its answer on stdout, everything else on stderr; whether it came in time."""
    question = _send(hub, line)
    for delivery in incoming(hub, seconds):
        answered = is_answer(delivery, question)
        print(printable(delivery.message.content), file=sys.stdout if answered else sys.stderr, flush=True)
        hub.acknowledge(delivery)
        if answered:
            return True
    return False


@dataclass
class _Conversation:
    """A person at a terminal: one thread reads what they type, another prints what arrives."""

    hub: MessageHub
    _ended: threading.Event = field(default_factory=threading.Event)
    _answered: threading.Event = field(default_factory=threading.Event)
    _question: Message | None = None
    _typing: bool = False

    def hold(self) -> None:
        import readline  # noqa: F401 - gives input() line editing and history

        listener = threading.Thread(target=self._listen, name="teamsup-chat")
        listener.start()
        try:
            while True:
                self._typing = True
                line = input(_PROMPT).strip()
                self._typing = False
                if line:
                    self._say(line)
        except (EOFError, KeyboardInterrupt):
            print()
        finally:
            self._ended.set()
            listener.join()

    def _say(self, line: str) -> None:
        self._answered.clear()
        try:
            self._question = _send(self.hub, line)
        except TeamsupError as error:
            print(f"(not sent: {printable(str(error))})")
            return
        if not self._answered.wait(_PATIENCE):
            print("(no answer yet; it will appear here)")

    def _listen(self) -> None:
        beat = time.monotonic()
        while not self._ended.is_set():
            try:
                for delivery in incoming(self.hub, _LOOK_SECONDS):
                    self._show(delivery)
                    self.hub.acknowledge(delivery)
                if time.monotonic() - beat > _HEARTBEAT_SECONDS:
                    self.hub.heartbeat()
                    beat = time.monotonic()
            except TeamsupError as error:
                print(f"\n{printable(str(error))}", file=sys.stderr)
                self._ended.wait(1)

    def _show(self, delivery: Delivery) -> None:
        message = delivery.message
        label = f"{_TEAM if message.sender == ADDRESSEE else message.sender}> "
        text = printable(label + message.content.replace("\n", "\n" + " " * len(label)))
        if self._typing:
            import readline

            print(f"\r\033[K{text}\n{_PROMPT}{readline.get_line_buffer()}", end="", flush=True)
        else:
            print(text, flush=True)
        if self._question is not None and message.reply_to == self._question.message_id:
            # The answer itself, or news that it will take longer.
            self._answered.set()
