"""Doorbells: one Unix datagram socket for each reader, rung with one fixed byte.

A ring says that there may be something to read. It proves nothing and carries no content. No function here waits for
another process, or fails because of one.
"""

import atexit
import functools
import itertools
import os
import select
import socket
import time
from collections.abc import Generator, Iterable
from contextlib import suppress
from pathlib import Path

from ..engines.signal_safety import signal_safe
from ..errors import StoreError
from ..team import doorbell_name

PRESENCE_TOPIC = "_presence"
"""The name of a doorbell that rings when an agent registers, leaves or reports that it cannot work. No agent can have
this name.
"""

_RING_BYTE = b"!"
_SECOND_NS = 10**9  # nanoseconds
_doorbell_numbers = itertools.count()


class Doorbell:
    """The doorbell of one reader of one agent. A reader binds it first, then looks for messages, then waits.
    open_doorbell() binds and closes it.

    It also rings for each of the ``topics``. A long wait checks whether its socket still exists.
    """

    def __init__(self, run: Path, agent: str, *topics: str) -> None:
        suffix = f"@{os.getpid()}.{next(_doorbell_numbers)}"
        self.path = run / f"{doorbell_name(agent)}{suffix}"
        self._links = [run / f"{topic}{suffix}" for topic in topics]
        self._socket = _new_socket()

    def bind(self) -> None:
        """Create the doorbell's files, so that it can be rung. Raise StoreError."""
        run = self.path.parent
        try:
            # A program may have cleaned up run/, or a dead process of our pid may have left its socket.
            run.mkdir(mode=0o700, exist_ok=True)
            self.path.unlink(missing_ok=True)
            self._socket.bind(str(self.path))
            for link in self._links:
                link.unlink(missing_ok=True)
                link.symlink_to(self.path.name)
        except OSError as error:
            raise StoreError(f"No doorbell can be bound in {run}: {error}.") from error

    def close(self) -> None:
        """Remove the doorbell's files."""
        self._socket.close()
        for path in (self.path, *self._links):
            with suppress(OSError):
                path.unlink()

    def drain(self) -> None:
        """Forget all rings so far."""
        with suppress(BlockingIOError):
            while True:
                self._socket.recv(len(_RING_BYTE))

    def wait(self, seconds: float) -> bool:
        """Return whether the doorbell rang within this many seconds."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        rang = bool(poll.poll(max(0.0, seconds) * 1000))
        if rang:
            self.drain()
        else:
            self._rebind()
        return rang

    async def wait_async(self, seconds: float) -> bool:
        """Do the same on an event loop."""
        import asyncio  # imported late: it takes half of a start, and most programs need no event loop

        loop = asyncio.get_running_loop()
        woken: asyncio.Future[bool] = loop.create_future()

        def wake(rang: bool) -> None:
            if not woken.done():
                woken.set_result(rang)

        loop.add_reader(self._socket, wake, True)
        timer = loop.call_later(max(0.0, seconds), wake, False)
        try:
            rang = await woken
        finally:
            timer.cancel()
            loop.remove_reader(self._socket)
        if rang:
            self.drain()
        else:
            self._rebind()
        return rang

    def _rebind(self) -> None:
        """Bind the doorbell again if its file was removed. While that fails, the waiter continues without it."""
        if not all(map(os.path.exists, (self.path, *self._links))):
            with suppress(StoreError):
                taken_down, self._socket = self._socket, _new_socket()
                taken_down.close()
                self.bind()


@signal_safe
def open_doorbell(run: Path, agent: str, *topics: str) -> Generator[Doorbell, None, None]:
    """Bind a doorbell until the block ends, also when a signal interrupts it. Raise StoreError."""
    bell = Doorbell(run, agent, *topics)
    try:
        bell.bind()
        yield bell
    finally:
        # Call it twice, because a signal may end the first call early.
        try:
            bell.close()
        finally:
            bell.close()


def _new_socket() -> socket.socket:
    try:
        bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    except OSError as error:
        raise StoreError(f"No doorbell can be made: {error.strerror}.") from error
    bell.setblocking(False)
    return bell


class Doorbells:
    """All doorbells of a team, which one process finds in the folder ``run``. Threads may share it."""

    def __init__(self, run: Path) -> None:
        self._run = str(run)
        self._cached: tuple[tuple[int, int], dict[str, list[str]]] = ((0, 0), {})

    def ring(self, agents: Iterable[str]) -> None:
        """Ring every doorbell of these agents. Remove a doorbell whose process has died."""
        if wanted := {doorbell_name(agent) for agent in agents}:
            up = self._bound_paths()
            for name in wanted:
                for bell in up.get(name, ()):
                    _ring(bell)

    def ring_all(self) -> None:
        """Ring every doorbell. Remove those whose process has died."""
        for bells in self._bound_paths().values():
            for bell in bells:
                _ring(bell)

    def agents_listening(self, agents: Iterable[str]) -> set[str]:
        """Return the agents that have a doorbell now, whose process may have died."""
        up = self._bound_paths()
        return {agent for agent in agents if doorbell_name(agent) in up}

    def listener_pids(self, agent: str) -> list[int]:
        """Return the pids with a doorbell for the agent. Such a process may have died."""
        pids = [bell.rpartition("@")[2].partition(".")[0] for bell in self._bound_paths().get(doorbell_name(agent), ())]
        return [int(pid) for pid in pids if pid.isdecimal()]

    def _bound_paths(self) -> dict[str, list[str]]:
        """Return the paths of bound doorbells, by ``bell_name``."""
        try:
            folder = os.stat(self._run)
            # ctime shows when mtime was set, because a program may have set mtime back.
            times = folder.st_mtime_ns, folder.st_ctime_ns
            known_since, up = self._cached
            if known_since == times:
                return up
            up = {}
            for file in os.listdir(self._run):
                name, is_bell, _ = file.partition("@")
                if is_bell:
                    up.setdefault(name, []).append(f"{self._run}/{file}")
        except OSError:
            return {}
        # A folder that changes twice within a tick of its file system's clock has the same time after both. A tick is
        # at most 10 ms, or up to two seconds where times have no fraction.
        changed = folder.st_mtime_ns
        tick = _SECOND_NS // 10 if changed % _SECOND_NS else 2 * _SECOND_NS
        if time.time_ns() - changed > tick:
            self._cached = times, up
        return up


def _ring(bell: str) -> None:
    try:
        _sender().sendto(_RING_BYTE, bell)
    except (ConnectionRefusedError, FileNotFoundError):  # the latter for a link to a doorbell that was removed
        with suppress(OSError):
            os.unlink(bell)
    except OSError:
        # The buffer of the doorbell is full, so it has rung already.
        pass


@functools.cache
def _sender() -> socket.socket:
    """Return the socket with which this process rings."""
    finger = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    finger.setblocking(False)
    atexit.register(finger.close)
    return finger
