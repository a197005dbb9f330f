"""Split the output of a process into lines. Pure.

A line that returns its carriage, such as a progress bar, counts as its last state.
"""

_MAX_LINE_BYTES = 65536


class OutputLines:
    """The output so far. An unfinished line is kept until its end, or until flush()."""

    def __init__(self) -> None:
        self._unfinished = b""
        self._was_shown = False
        """Whether the beginning of the unfinished line has been returned."""

    @property
    def has_unfinished(self) -> bool:
        """Return whether a line has begun, and has not been returned yet."""
        return bool(self._unfinished.strip(b"\r"))

    def add(self, chunk: bytes) -> list[str]:
        """Return the lines that end in this chunk."""
        *ended, rest = (self._unfinished + chunk).split(b"\n")
        if ended and self._was_shown and not ended[0].strip(b"\r"):
            # This is only the end of a line whose text was returned before.
            del ended[0]
            self._was_shown = False
        if ended:
            self._was_shown = False
        self._unfinished = _last_state(rest)
        lines = [_last_state(line).rstrip(b"\r").decode(errors="replace") for line in ended]
        return [*lines, *self.flush()] if len(self._unfinished) > _MAX_LINE_BYTES else lines

    def flush(self) -> list[str]:
        """Return the unfinished line, if there is one."""
        if not self.has_unfinished:
            return []
        line, self._unfinished, self._was_shown = self._unfinished, b"", True
        return [line.rstrip(b"\r").decode(errors="replace")]


def _last_state(line: bytes) -> bytes:
    """Return the text that a terminal would show for a line. A carriage return at its end may be half of a line end."""
    return line[line.rstrip(b"\r").rfind(b"\r") + 1 :]
