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
_TOOL = 4
"""The id under which Python knows us as a tool. It has no meaning of its own."""


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
        self._watch()
        try:
            action()
        except Interrupted as error:
            # As a notebook does: all objects of the traceback stay alive.
            sys.last_value = error
            return True
        finally:
            self._unwatch()
            self._last.clear()
        return False

    if sys.version_info >= (3, 12):
        # Since Python 3.12 a trace function no longer sees all instructions of a frame that has begun.

        def _watch(self) -> None:
            sys.monitoring.use_tool_id(_TOOL, "interruption")
            sys.monitoring.register_callback(_TOOL, sys.monitoring.events.INSTRUCTION, self._monitor)
            sys.monitoring.set_events(_TOOL, sys.monitoring.events.INSTRUCTION)

        def _unwatch(self) -> None:
            sys.monitoring.set_events(_TOOL, 0)
            sys.monitoring.free_tool_id(_TOOL)

        def _monitor(self, code: CodeType, offset: int) -> object:
            if not code.co_filename.startswith(_HUB):
                return sys.monitoring.DISABLE
            if self._is_reached(sys._getframe(1), offset):
                sys.monitoring.set_events(_TOOL, 0)
                raise Interrupted
            return None

    else:

        def _watch(self) -> None:
            sys.settrace(self._trace)

        def _unwatch(self) -> None:
            sys.settrace(None)

    def _trace(self, frame: FrameType, event: str, _: Any) -> "TraceFunction | None":  # noqa: ANN401
        if not frame.f_code.co_filename.startswith(_HUB):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode" and self._is_reached(frame, frame.f_lasti):
            sys.settrace(None)
            raise Interrupted
        return self._trace

    def _is_reached(self, frame: FrameType, offset: int) -> bool:
        """Whether this instruction of the frame follows the point that is to be interrupted."""
        last, self._last[frame] = self._last.get(frame), offset
        if last is None or last not in _points(frame.f_code):
            return False
        self.points += 1
        return self.points == self._number


_points_cache: dict[CodeType, frozenset[int]] = {}


def _points(code: CodeType) -> frozenset[int]:
    """The offsets of the instructions after which handlers run."""
    if code not in _points_cache:
        _points_cache[code] = frozenset(
            instruction.offset for instruction in dis.get_instructions(code) if instruction.opname in _INTERRUPTIBLE
        )
    return _points_cache[code]
