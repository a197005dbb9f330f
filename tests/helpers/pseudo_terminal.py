"""A terminal for tests: a pseudo-terminal, and what stands on its screen."""

import codecs
import fcntl
import os
import re
import select
import struct
import termios
import time
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from helpers.support import TIMEOUT_SECONDS

_SEQUENCE = re.compile(r"\x1b\[(?P<private>[?>]?)(?P<numbers>[\d;]*) ?(?P<end>[@-~])")


class Cell(NamedTuple):
    """A character and how it is shown, as the numbers of SGR."""

    char: str
    style: str = ""


class TerminalScreen:
    """As much of a terminal as line editors use. Lines that have left it at the top are kept."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.columns, self.rows = columns, rows
        self.lines: list[list[Cell]] = [[]]
        self.row = self.column = 0
        self.style = ""
        self.styles: set[str] = set()
        self.modes: set[str] = set()
        self._partial_sequence = ""

    @property
    def text(self) -> str:
        return "\n".join("".join(cell.char for cell in line).rstrip() for line in self.lines).rstrip("\n")

    def style_of(self, text: str) -> str:
        """How the first character of that text is shown."""
        for line in self.lines:
            if (at := "".join(cell.char or "\0" for cell in line).find(text)) >= 0:
                return line[at].style
        raise AssertionError(f"{text!r} is not on the screen:\n{self.text}")

    def feed(self, text: str) -> None:
        text, self._partial_sequence = self._partial_sequence + text, ""
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                found = _SEQUENCE.match(text, at)
                if found is None and len(text) - at < 20:
                    self._partial_sequence = text[at:]
                    return
                assert found is not None, f"unknown: {text[at : at + 20]!r}"
                self._control(found["private"], found["numbers"], found["end"])
                at = found.end()
            else:
                self._put(text[at])
                at += 1

    def reflow(self, columns: int) -> None:
        """Made narrower or wider, as terminals do that fold the lines they have."""
        lines: list[list[Cell]] = []
        for number, line in enumerate(self.lines):
            if number == self.row:
                self.row, self.column = len(lines) + self.column // columns, self.column % columns
            lines += [line[at : at + columns] for at in range(0, max(len(line), 1), columns)]
        self.lines, self.columns = lines, columns
        self._extend_to_cursor()

    @property
    def _top(self) -> int:
        return max(0, len(self.lines) - self.rows)

    def _put(self, char: str) -> None:
        match char:
            case "\r":
                self.column = 0
            case "\n":
                self.row += 1
                self._extend_to_cursor()
            case "\b":
                self.column = max(0, self.column - 1)
            case "\a":
                pass
            case _:
                self._draw(char)

    def _draw(self, char: str) -> None:
        width = 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if self.column + width > self.columns:
            if "?7" in self.modes:
                self.column = self.columns - width
            else:
                self.row, self.column = self.row + 1, 0
                self._extend_to_cursor()
        line = self.lines[self.row]
        line += [Cell(" ")] * (self.column + width - len(line))
        line[self.column] = Cell(char, self.style)
        if width == 2:
            line[self.column + 1] = Cell("", self.style)
        self.styles.add(self.style)
        self.column += width

    def _extend_to_cursor(self) -> None:
        self.lines += [[] for _ in range(len(self.lines), self.row + 1)]

    def _control(self, private: str, numbers: str, end: str) -> None:
        count = int(numbers) if numbers.isdecimal() and int(numbers) else 1
        match private, end:
            case "?", "h" | "l":
                # Wrapping is on from the start: only what is switched off is kept of it.
                switched_on = (end == "h") != (numbers == "7")
                (self.modes.add if switched_on else self.modes.discard)(f"?{numbers}")
            case "", "m":
                self._change_style(numbers)
            case "", "A":
                self.row = max(self._top, self.row - count)
            case "", "B":
                self.row = min(self._top + self.rows - 1, self.row + count)
                self._extend_to_cursor()
            case "", "C":
                self.column = min(self.columns - 1, self.column + count)
            case "", "D":
                self.column = max(0, min(self.column, self.columns - 1) - count)
            case "", "K":
                del self.lines[self.row][self.column :]
            case "", "J":
                del self.lines[self.row][self.column :]
                del self.lines[self.row + 1 :]
            case _:
                raise AssertionError(f"unknown: CSI {private}{numbers}{end}")

    def _change_style(self, numbers: str) -> None:
        for number in (numbers or "0").split(";"):
            kept = self.style.split(";") if self.style else []
            self.style = "" if number == "0" else self.style if number in ("39", "49") else ";".join([*kept, number])


class PseudoTerminal:
    """A pseudo-terminal with a program in it."""

    def __init__(self, columns: int = 80) -> None:
        self.ours, self.theirs = os.openpty()
        self.screen = TerminalScreen(columns)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._set_size(columns)

    def type(self, text: str) -> None:
        os.write(self.ours, text.encode())

    def paste(self, text: str) -> None:
        """As terminals do when a program has asked them to say that it is pasted."""
        assert "?2004" in self.screen.modes
        self.type(f"\x1b[200~{text.replace(chr(10), chr(13))}\x1b[201~")

    def resize(self, columns: int) -> None:
        self.screen.reflow(columns)
        self._set_size(columns)

    def expect(self, text: str, *, times: int = 1) -> str:
        """What is on the screen once that text is."""
        return self.wait_until(lambda: self.screen.text.count(text) >= times, f"{text!r}")

    def expect_gone(self, text: str) -> str:
        return self.wait_until(lambda: text not in self.screen.text, f"no more {text!r}")

    def wait_until(self, condition: Callable[[], bool], what: str) -> str:
        ends = time.monotonic() + TIMEOUT_SECONDS
        while not condition():
            assert self._read(ends - time.monotonic()), f"not seen: {what}; the terminal shows\n{self.screen.text}"
        return self.screen.text

    def drain(self) -> str:
        """All that its program, which has ended, has said."""
        while self._read(0):
            pass
        return self.screen.text

    def close(self) -> None:
        os.close(self.ours)

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self.ours], [], [], max(0.0, seconds))
        if not ready:
            return False
        try:
            data = os.read(self.ours, 4096)
        except OSError:
            return False
        self.screen.feed(self._decoder.decode(data))
        return bool(data)

    def _set_size(self, columns: int) -> None:
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", self.screen.rows, columns, 0, 0))
