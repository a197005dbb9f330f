"""Context managers that an exception from a signal handler cannot leave half open.

Such an exception (Ctrl-C, SIGALRM) may strike at any call, also at the first or last step of ``contextmanager`` itself.
Its generator then stays suspended, with its locks and its transaction, while a notebook or another program keeps the
traceback.

Here only the ``with`` statement holds the exit function. When it releases this function, the block has ended, with or
without an error. So the generator is closed.
"""

import functools
import operator
import weakref
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def signal_safe(function: Callable[P, Generator[T, None, None]]) -> Callable[P, AbstractContextManager[T]]:
    """Decorate a generator function like ``contextmanager``. The code after
    ``yield`` also runs when a signal interrupts the ``with`` block.

    The generator yields once, and must let every exception through.
    """

    @functools.wraps(function)
    def enter_scope(*arguments: P.args, **named: P.kwargs) -> AbstractContextManager[T]:
        return _Scope(function(*arguments, **named))

    return enter_scope


def _exit_scope(
    scope: "_Scope[Any]", _: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
) -> bool:
    if error is None:
        next(scope.generator, None)
        return False
    try:
        scope.generator.throw(error)
    except BaseException as raised:
        # A generator turns a StopIteration into a RuntimeError.
        if raised is not error and not (isinstance(error, StopIteration) and raised.__cause__ is error):
            raise
        error.__traceback__ = trace
    return False


class _CloseWhenDropped(weakref.ref[Any]):
    """Closes the generator when it is dropped, unless the block has ended normally. The callback is C code, because an
    exception of a signal handler would be lost in a Python callback.
    """

    __slots__ = ("close",)
    close: Callable[[], None]


class _ExitMethod:
    """The exit function, which ``with`` looks up before the block and releases after it."""

    def __get__(self, scope: "_Scope[Any] | None", owner: type) -> Callable[..., bool]:
        if scope is None:
            return _exit_scope  # ExitStack looks it up on the class
        leave = functools.partial(_exit_scope, scope)
        scope.exit_guard = _CloseWhenDropped(leave, operator.methodcaller("close"))
        scope.exit_guard.close = scope.generator.close
        return leave


class _Scope(Generic[T]):
    __slots__ = ("exit_guard", "generator")
    __exit__ = _ExitMethod()

    def __init__(self, generator: Generator[T, None, None]) -> None:
        self.generator = generator
        self.exit_guard: _CloseWhenDropped | None = None

    def __enter__(self) -> T:
        return next(self.generator)
