"""What every worker does alike: take part, stay alive in view, read its mail one by one, end cleanly."""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from typing import Any, ClassVar, ParamSpec, TypeVar

from teamsup.hub import (
    Agent,
    CallerError,
    Delivery,
    Message,
    MessageHub,
    NotConfigured,
    NotSetUp,
    SchemaTooNew,
    StaleLease,
    StoreError,
    TeamsupError,
)
from teamsup.hub.message_hub import LEASE_SECONDS
from teamsup.hub.messages import DEGRADED, NOT_CONFIGURED, OFFLINE, ONLINE
from teamsup.hub.sections import TeamSection
from teamsup.hub.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

# The supervisor says after what silence it takes us for hung.
HEARTBEAT_SECONDS = min(5.0, float(os.environ.get("TEAMSUP_HEARTBEAT_SECONDS", "20")) / 4)
_PAUSE_SECONDS = 1.0
_MAILBOX, _UNREAD = "mailbox", "unread"


class Worker(ABC):
    """One daemon of the team. A subclass says its name and what to do with a delivery."""

    name: ClassVar[str]
    parallel: ClassVar[int] = 1
    """How many deliveries it may work on at once; those of one conversation still come one after another."""

    def __init__(self, hub: MessageHub, settings: Settings) -> None:
        self.hub = hub
        self._unread_seconds = settings.section("team", TeamSection).unread_seconds
        self.log = logging.getLogger(self.name)
        self._stopping = asyncio.Event()
        self._refusal: NotConfigured | SchemaTooNew | None = None
        self._at_work: set[asyncio.Task[None]] = set()
        self._troubles: dict[str, str] = {}
        self._has_failed_to_read = False
        """Since the last heartbeat."""

    @abstractmethod
    async def handle(self, delivery: Delivery) -> None:
        """Act on one delivery and end it. What is raised gives it back, to be tried again later."""

    async def work(self) -> None:
        """What the worker does besides reading its mail. Cancelled at the end; ends the worker when it returns.

        Raises NotConfigured when only a person can help.
        """
        await self._stopping.wait()

    def details(self) -> dict[str, Any]:
        """What the heartbeat tells besides the pid; ``note`` is for people."""
        return {}

    def still_unread(self, message: Message, agent: Agent) -> None:
        """An agent has not read a message of ours for ``unread_seconds``: tell whoever should know. Said once."""
        self.log.warning("%s has not read message %s", agent.name, message.message_id)

    async def beat(self) -> None:
        """Say at once that we live and what details() tells."""
        try:
            await self.in_thread(self.hub.heartbeat, self._status(), **self._presence())
        except StoreError as error:
            self.log.error("no heartbeat: %s", error)

    async def degrade(self, cause: str, reason: str) -> None:
        """Say that this worker runs and cannot do a part of its work, until ``recover(cause)``.

        ``cause`` is a key such as ``port``; ``reason`` is a sentence for people.
        """
        if self._troubles.get(cause) != reason:
            self._troubles[cause] = reason
            self.log.error("degraded: %s", reason)
            await self.beat()

    async def recover(self, cause: str) -> None:
        """Say that what ``cause`` named works again."""
        if self._troubles.pop(cause, None) is not None:
            self.log.info("recovered: %s", cause)
            await self.beat()

    async def in_thread(self, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something that may block, such as a commit, without holding up the event loop.

        A database that this program has become too old for ends the worker, whoever else handles that error.
        """
        try:
            return await asyncio.to_thread(action, *args, **kwargs)
        except SchemaTooNew as error:
            self._end_because(error)
            raise

    async def run(self) -> None:
        """Take part until told to end.

        Raises NotConfigured when only a person can help, SchemaTooNew when only a newer program can.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        # This process is the only reader of its mailbox, so what is leased there was its predecessor's.
        await self.in_thread(self.hub.recover)
        await self.in_thread(self.hub.register, "daemon", self._status(), **self._presence())
        async with asyncio.TaskGroup() as tasks:
            besides = [tasks.create_task(self._stay()), tasks.create_task(self._work())]
            await self._read()
            if self._at_work:
                await asyncio.wait(self._at_work)
            for task in besides:
                task.cancel()
        if self._refusal is not None:
            raise self._refusal
        await self.in_thread(self.hub.heartbeat, OFFLINE, **self._presence() | {"note": ""})

    async def _read(self) -> None:
        while not self._stopping.is_set():
            try:
                # One at a time: what ends this process must not count against what was not even begun.
                async with contextlib.aclosing(self.hub.listen_async()) as arriving:
                    while (delivery := await self._next(arriving)) is not None:
                        await self._begin(delivery)
            except SchemaTooNew as error:
                self._end_because(error)
            except StoreError as error:
                await self._cannot_read(str(error))
            except Exception as error:
                self.log.exception("cannot read the mailbox")
                await self._cannot_read(f"{type(error).__name__}: {error}")

    async def _cannot_read(self, why: str) -> None:
        self._has_failed_to_read = True
        await self.degrade(_MAILBOX, f"Cannot read its mailbox: {why}")
        await asyncio.sleep(_PAUSE_SECONDS)

    async def _begin(self, delivery: Delivery) -> None:
        if self.parallel == 1:
            await self._attend(delivery)
            return
        work = asyncio.create_task(self._attend(delivery))
        self._at_work.add(work)
        work.add_done_callback(self._at_work.discard)
        if len(self._at_work) >= self.parallel:
            await asyncio.wait(self._at_work, return_when=asyncio.FIRST_COMPLETED)

    async def _next(self, arriving: AsyncGenerator[Delivery, None]) -> Delivery | None:
        """What arrives next, unless the end comes first."""
        arrival = asyncio.ensure_future(anext(arriving))
        end = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((arrival, end), return_when=asyncio.FIRST_COMPLETED)
        finally:
            end.cancel()
            # Also when we are cancelled ourselves: nobody else ends what still runs.
            if is_early := not arrival.done():
                arrival.cancel()
                await asyncio.wait((arrival,))
        if is_early:
            return None
        return arrival.result()

    async def _attend(self, delivery: Delivery) -> None:
        message = delivery.message
        try:
            keeping = asyncio.create_task(self._keep(delivery))
            try:
                await self.handle(delivery)
            finally:
                keeping.cancel()
        except StaleLease as error:
            self.log.warning("%s", error)
        except StoreError as error:
            self.log.error("%s Message %s is tried again.", error, message.message_id)
            await self._give_back(delivery, str(error))
        except Exception as error:
            self.log.exception("message %s from %s failed", message.message_id, message.sender)
            with contextlib.suppress(TeamsupError):
                await self.in_thread(self.hub.release, delivery, error=f"{self.name} failed: {type(error).__name__}")

    async def _give_back(self, delivery: Delivery, why: str) -> None:
        """As soon as the store can be written again; else it comes back when its lease ends."""
        while not self._stopping.is_set():
            try:
                await self.in_thread(self.hub.release, delivery, error=why)
            except StoreError:
                await asyncio.sleep(_PAUSE_SECONDS)
            except CallerError:
                return
            else:
                return

    async def _keep(self, delivery: Delivery) -> None:
        """Prolong the lease while the work takes longer than that."""
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            with contextlib.suppress(TeamsupError):
                await self.in_thread(self.hub.extend, delivery)

    async def _work(self) -> None:
        try:
            await self.work()
        except (NotConfigured, SchemaTooNew) as error:
            self._end_because(error)
        finally:
            self._stopping.set()

    def _end_because(self, error: NotConfigured | SchemaTooNew) -> None:
        self._refusal = error
        self._stopping.set()

    async def _stay(self) -> None:
        """Heartbeats come from the event loop that does the work, so a hung loop stops them."""
        parent = os.getppid()
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if os.getppid() != parent:
                self.log.warning("the supervisor is gone, so this worker ends")
                self._stopping.set()
            await self.beat()
            if not self._has_failed_to_read:
                await self.recover(_MAILBOX)
            self._has_failed_to_read = False
            try:
                await self.in_thread(self._tell_still_unread)
            except StoreError as error:
                await self.degrade(_UNREAD, f"Cannot say who has not read: {error}")
            else:
                await self.recover(_UNREAD)

    def _tell_still_unread(self) -> None:
        for message, name in self.hub.still_unread(self._unread_seconds):
            self._tell(message, name)

    def _tell(self, message: Message, name: str) -> None:
        try:
            with self.hub.transaction():
                self.hub.mark_told((message, name))
                if (agent := self.hub.agent_named(name)) is not None:
                    self.still_unread(message, agent)
        except CallerError as error:
            # Never to be told then, but it must not hold up all that come after it.
            self.hub.mark_told((message, name))
            self.log.error("cannot say that %s has not read message %s: %s", name, message.message_id, error)

    def _status(self) -> str:
        return DEGRADED if self._troubles else ONLINE

    def _presence(self) -> dict[str, Any]:
        reason = {"reason": " ".join(self._troubles.values())} if self._troubles else {}
        return {"pid": os.getpid(), **self.details(), **reason}


def main(kind: type[Worker]) -> None:
    """Run a worker as this process: ``python -m teamsup.workers.… [--team NAME]``."""
    parser = argparse.ArgumentParser(description=kind.__doc__)
    parser.add_argument("--team", help="the team's name (default: $TEAMSUP_TEAM or 'default')")
    arguments = parser.parse_args()
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    try:
        with MessageHub(arguments.team, agent=kind.name) as hub:
            try:
                asyncio.run(_run(kind, hub))
            except NotConfigured as error:
                is_optional = isinstance(error, NotSetUp)
                hub.register("daemon", NOT_CONFIGURED, pid=os.getpid(), note=str(error), optional=is_optional)
                raise
    except TeamsupError as error:
        level = logging.INFO if isinstance(error, NotSetUp) else logging.ERROR
        logging.getLogger(kind.name).log(level, "%s", error)
        sys.exit(error.exit_code)


async def _run(kind: type[Worker], hub: MessageHub) -> None:
    await kind(hub, Settings(hub.team)).run()
