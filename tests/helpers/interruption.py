"""Exceptions at every point where a signal handler could raise one. CPython runs handlers after a call, at the start of
a function and at the end of a loop's turn."""

import dis
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

import teamsup.hub

if TYPE_CHECKING:
    from _typeshed import TraceFunction

_HUB = str(Path(teamsup.hub.__file__).parent)
_INTERRUPTIBLE = ("CALL", "CALL_FUNCTION_EX", "CALL_KW", "RESUME", "JUMP_BACKWARD")


class Interrupted(BaseException):
    """What the handler raises."""


class Interruption:
    """Raises Interrupted at the ``number``th point in the hub's own code; ``points`` counts them."""

    def __init__(self, number: int) -> None:
        self.points = 0
        self._number = number
        self._last: dict[FrameType, int] = {}

    def run(self, action: Callable[[], object]) -> bool:
        """Run the action; whether it was interrupted. Raises what else it raises."""
        sys.settrace(self._trace)
        try:
            action()
        except Interrupted as error:
            # As a notebook does: all objects of the traceback stay alive.
            sys.last_value = error
            return True
        finally:
            sys.settrace(None)
            self._last.clear()
        return False

    def _trace(self, frame: FrameType, event: str, _: Any) -> "TraceFunction | None":  # noqa: ANN401
        if not frame.f_code.co_filename.startswith(_HUB):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            last, self._last[frame] = self._last.get(frame), frame.f_lasti
            if last is not None and last in _points(frame.f_code):
                self.points += 1
                if self.points == self._number:
                    sys.settrace(None)
                    raise Interrupted
        return self._trace


_points_cache: dict[CodeType, frozenset[int]] = {}


def _points(code: CodeType) -> frozenset[int]:
    """The offsets of the instructions after which handlers run."""
    if code not in _points_cache:
        _points_cache[code] = frozenset(
            instruction.offset for instruction in dis.get_instructions(code) if instruction.opname in _INTERRUPTIBLE
        )
    return _points_cache[code]
