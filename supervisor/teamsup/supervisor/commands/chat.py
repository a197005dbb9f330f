"""``teamsup chat``: a person and the team, line by line."""

import argparse
import sys
import threading
import time
from dataclasses import dataclass, field

from teamsup.hub import Delivery, Message, MessageHub, Team
from teamsup.hub.wording import printable

from ..console import NoAnswer, answers, console, incoming, lasting_name
from ..state_file import holder

ADDRESSEE = "user_comm"
_PROMPT = "you> "
_LABEL = "team> "
_PATIENCE = 10.0
_HEARTBEAT_SECONDS = 10.0
_LOOK_SECONDS = 0.25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how long to wait for each answer when the lines come from a pipe (default: 30)",
    )


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    team.create()
    if holder(team) is None:
        print(
            f"teamsup: team {team.name!r} is not running; what you write is kept for it. "
            f"Start it with: teamsup start --team {team.name}",
            file=sys.stderr,
        )
    with console(team, lasting_name(team)) as hub:
        hub.enroll(ADDRESSEE, "daemon")
        if sys.stdin.isatty():
            _Conversation(hub).hold()
        else:
            for line in sys.stdin:
                if line.strip():
                    _ask(hub, line.strip(), arguments.timeout)
    return 0


def _send(hub: MessageHub, line: str) -> Message:
    return hub.send(ADDRESSEE, line, conversation_id=hub.agent)


def _ask(hub: MessageHub, line: str, seconds: float) -> None:
    """One question from a pipe: its answer on stdout, everything else on stderr."""
    question = _send(hub, line)
    for delivery in incoming(hub, seconds):
        answered = answers(delivery, question)
        print(printable(delivery.message.content), file=sys.stdout if answered else sys.stderr, flush=True)
        hub.acknowledge(delivery)
        if answered:
            return
    raise NoAnswer(f"No answer to {line[:40]!r} within {seconds:.0f} s. It will come to: teamsup read --wait 60")


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
        self._question = _send(self.hub, line)
        if not self._answered.wait(_PATIENCE):
            print("(no answer yet; it will appear here)")

    def _listen(self) -> None:
        beat = time.monotonic()
        while not self._ended.is_set():
            for delivery in incoming(self.hub, _LOOK_SECONDS):
                self._show(delivery)
                self.hub.acknowledge(delivery)
            if time.monotonic() - beat > _HEARTBEAT_SECONDS:
                self.hub.heartbeat()
                beat = time.monotonic()

    def _show(self, delivery: Delivery) -> None:
        text = _LABEL + printable(delivery.message.content).replace("\n", "\n" + " " * len(_LABEL))
        if self._typing:
            import readline

            print(f"\r\033[K{text}\n{_PROMPT}{readline.get_line_buffer()}", end="", flush=True)
        else:
            print(text, flush=True)
        if self._question is not None and answers(delivery, self._question):
            self._answered.set()
