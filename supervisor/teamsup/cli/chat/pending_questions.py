"""What a person in a chat has asked and has no answer to, and what was told of it meanwhile."""

import textwrap
from dataclasses import dataclass, field

from teamsup.hub import Message
from teamsup.terminal.formatting import sanitize

_MAX_SHOWN = 3
_MAX_LINES = 2
_EXCERPT_CHARACTERS = 20


@dataclass
class PendingQuestions:
    """By the questions' message_ids, in the order of what was told last."""

    _texts: dict[str, str] = field(default_factory=dict)
    _progress: dict[str, str] = field(default_factory=dict)
    _noted_question: str | None = None
    """The question of which only we ourselves have said something."""

    @property
    def count(self) -> int:
        return len(self._texts)

    def add(self, question: str, text: str) -> None:
        self._texts[question] = text
        if self._noted_question is not None:
            self._progress.pop(self._noted_question, None)
            self._noted_question = None

    def update(self, progress: Message) -> None:
        """How far its question has come; replaces what was told of it before."""
        question = str(progress.reply_to)
        self._progress.pop(question, None)
        self._progress[question] = progress.content
        if self._noted_question == question:
            self._noted_question = None

    def note_silence(self, question: str, text: str) -> None:
        """Say something of the newest question, if nobody has said anything."""
        if [*self._texts][-1:] == [question] and not self._progress:
            self._progress[question] = text
            self._noted_question = question

    def remove(self, question: str | None) -> None:
        """It has its answer, or is not asked at all."""
        if question is not None:
            self._texts.pop(question, None)
            self._progress.pop(question, None)

    def clear(self) -> None:
        """None of them is asked any more."""
        self._texts.clear()
        self._progress.clear()

    def render(self, width: int) -> list[str]:
        """The newest of what was told, for a terminal of so many columns."""
        lines = [f"({len(self._progress) - _MAX_SHOWN} more)"] if len(self._progress) > _MAX_SHOWN else []
        for question, text in [*self._progress.items()][-_MAX_SHOWN:]:
            about = (
                f"{_shorten(self._texts[question])} – " if question in self._texts and len(self._progress) > 1 else ""
            )
            lines += textwrap.wrap(
                f"({about}{' '.join(sanitize(text).split())})",
                max(width - 1, 10),
                subsequent_indent=" ",
                max_lines=_MAX_LINES,
                placeholder=" …)",
            )
        return lines


def _shorten(text: str) -> str:
    """The beginning of what was asked, in one line."""
    line = " ".join(sanitize(text).split())
    return line if len(line) <= _EXCERPT_CHARACTERS else line[: _EXCERPT_CHARACTERS - 1].rstrip() + "…"
