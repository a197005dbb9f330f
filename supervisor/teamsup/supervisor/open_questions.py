"""What a person in a chat has asked and has no answer to, and what was told of it meanwhile."""

import textwrap
from dataclasses import dataclass, field

from teamsup.hub import Message
from teamsup.hub.wording import printable

_MOST = 3
_MOST_LINES = 2
_ABOUT = 20


@dataclass
class OpenQuestions:
    """By the questions' message_ids, in the order of what was told last."""

    _asked: dict[str, str] = field(default_factory=dict)
    _told: dict[str, str] = field(default_factory=dict)
    _noted: str | None = None
    """The question of which only we ourselves have said something."""

    @property
    def count(self) -> int:
        return len(self._asked)

    def ask(self, question: str, text: str) -> None:
        self._asked[question] = text
        if self._noted is not None:
            self._told.pop(self._noted, None)
            self._noted = None

    def tell(self, progress: Message) -> None:
        """How far its question has come; replaces what was told of it before."""
        question = str(progress.reply_to)
        self._told.pop(question, None)
        self._told[question] = progress.content
        if self._noted == question:
            self._noted = None

    def note(self, question: str, text: str) -> None:
        """Say something of the newest question, if nobody has said anything."""
        if [*self._asked][-1:] == [question] and not self._told:
            self._told[question] = text
            self._noted = question

    def close(self, question: str | None) -> None:
        """It has its answer, or is not asked at all."""
        if question is not None:
            self._asked.pop(question, None)
            self._told.pop(question, None)

    def withdraw(self) -> None:
        """None of them is asked any more."""
        self._asked.clear()
        self._told.clear()

    def lines(self, width: int) -> list[str]:
        """The newest of what was told, for a terminal of so many columns."""
        lines = [f"({len(self._told) - _MOST} more)"] if len(self._told) > _MOST else []
        for question, text in [*self._told.items()][-_MOST:]:
            about = f"{_shortened(self._asked[question])} – " if question in self._asked and len(self._told) > 1 else ""
            lines += textwrap.wrap(
                f"({about}{' '.join(printable(text).split())})",
                max(width - 1, 10),
                subsequent_indent=" ",
                max_lines=_MOST_LINES,
                placeholder=" …)",
            )
        return lines


def _shortened(text: str) -> str:
    """The beginning of what was asked, in one line."""
    line = " ".join(printable(text).split())
    return line if len(line) <= _ABOUT else line[: _ABOUT - 1].rstrip() + "…"
