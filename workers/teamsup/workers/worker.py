"""The base of every worker: take part in the team, send heartbeats, handle deliveries one by one, end cleanly."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, ClassVar, ParamSpec, TypeVar

from teamsup.config.loader import Config
from teamsup.config.sections import TeamSection
from teamsup.hub import (
    Agent,
    CallerError,
    Delivery,
    Message,
    MessageHub,
    NotConfigured,
    OptionalNotConfigured,
    SchemaTooNew,
    StaleLease,
    StoreError,
    TeamsupError,
    UnknownRecipient,
)
from teamsup.hub.engines.component_tables import ComponentTables
from teamsup.hub.engines.hosts.role_fence import end_with_lease
from teamsup.hub.errors import ComponentTooNew, RoleLost
from teamsup.hub.message_hub import LEASE_SECONDS
from teamsup.hub.models import DEGRADED, NOT_CONFIGURED, OFFLINE, ONLINE

P = ParamSpec("P")
T = TypeVar("T")
ReportState = Callable[[str, str], Awaitable[None]]
"""Reports a trouble of a worker as a cause and a reason; an empty reason ends the trouble."""

# The supervisor sets the silence after which we count as hung.
HEARTBEAT_SECONDS = min(5.0, float(os.environ.get("TEAMSUP_HEARTBEAT_SECONDS", "20")) / 4)
_PAUSE_SECONDS, _MAILBOX = 1.0, "mailbox"


class Worker(ABC):
    """One worker of the team. A subclass has a name and handles deliveries."""

    name: ClassVar[str]
    max_parallel: ClassVar[int] = 1
    """The maximum number of deliveries that it handles at once. Each conversation is handled in order."""
    look_seconds: ClassVar[float] = 10.0  # between two looks in case the doorbell has failed; each wakes the processor

    def __init__(self, hub: MessageHub, settings: Config) -> None:
        self.hub = hub
        self._unread_seconds = settings.section("team", TeamSection).unread_seconds
        self.log = logging.getLogger(self.name)
        self._stopping = asyncio.Event()
        self._end_reason: NotConfigured | SchemaTooNew | RoleLost | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._degraded_causes: dict[str, str] = {}
        self._has_read_failure = False

    @abstractmethod
    async def handle(self, delivery: Delivery) -> None:
        """Act on one delivery and end it. After an exception, the delivery returns to the queue for a later try."""

    async def work(self) -> None:
        """Do work in addition to the mailbox. It is cancelled when the worker ends. If it returns, the worker ends.
        Raise NotConfigured if only a person can help.
        """
        await self._stopping.wait()

    def presence_details(self) -> dict[str, Any]:
        """Return facts for the heartbeat in addition to the pid; ``note`` is for people."""
        return {}

    def on_unread(self, message: Message, agent: Agent) -> None:
        """Handle a message of this worker, once, when an agent has not read it for ``unread_seconds``."""
        self.log.warning("%s has not read message %s", agent.name, message.message_id)

    async def heartbeat(self) -> None:
        """Send a heartbeat with presence_details() at once."""
        try:
            await self.in_thread(self.hub.heartbeat, self._status(), **self._presence())
        except StoreError as error:
            self.log.error("no heartbeat: %s", error)

    async def degrade(self, cause: str, reason: str) -> None:
        """Report that this worker cannot do a part of its work, until ``recover(cause)``.

        ``cause`` is a key such as ``port``; ``reason`` is a sentence for people.
        """
        if self._degraded_causes.get(cause) != reason:
            self._degraded_causes[cause] = reason
            self.log.error("degraded: %s", reason)
            await self.heartbeat()

    async def recover(self, cause: str) -> None:
        """Report that the trouble with this cause has ended."""
        if self._degraded_causes.pop(cause, None) is not None:
            self.log.info("recovered: %s", cause)
            await self.heartbeat()

    async def report_state(self, cause: str, reason: str) -> None:
        """Report a trouble; an empty reason ends it."""
        await (self.degrade(cause, reason) if reason else self.recover(cause))

    @contextlib.asynccontextmanager
    async def reporting(self, cause: str, trouble: str) -> AsyncIterator[None]:
        """Report an error of the hub in the ``with`` block as a trouble. The trouble ends when a block succeeds."""
        try:
            yield
        except TeamsupError as error:
            await self.degrade(cause, f"{trouble}: {error}")
        else:
            await self.recover(cause)

    async def until_stop(self, work: Awaitable[T], grace: float = 0.0) -> T | None:
        """Return the result of the work, or None if it takes over ``grace`` seconds after the worker's end."""
        task, end = asyncio.ensure_future(work), asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((task, end), return_when=asyncio.FIRST_COMPLETED)
            if grace and not task.done():
                await asyncio.wait((task,), timeout=grace)
        finally:
            end.cancel()
            # Do this also when we are cancelled, because nothing else ends the running tasks.
            if is_early := not task.done():
                task.cancel()
                await asyncio.wait((task,))
        return None if is_early else task.result()

    async def in_thread(self, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking action, such as a commit, without delaying the event loop.

        If this program is too old for the database or its tables, the worker ends, even if the caller handles the
        error.
        """
        try:
            return await asyncio.to_thread(action, *args, **kwargs)
        except (SchemaTooNew, ComponentTooNew, RoleLost) as error:
            self._end_with(error)
            raise

    async def run(self) -> None:
        """Take part in the team until stopped. Raise NotConfigured if only a person can help. Raise SchemaTooNew if
        only a newer program can help.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        # This process is the only reader of its mailbox, so the leases there are its predecessor's.
        await self.in_thread(self.hub.maintenance.release_abandoned)
        await self.in_thread(self.hub.register, "daemon", self._status(), **self._presence())
        async with asyncio.TaskGroup() as tasks:
            besides = [tasks.create_task(self._heartbeat_loop()), tasks.create_task(self._run_work())]
            await self._read_mailbox()
            if self._running:
                await asyncio.wait(self._running)
            for task in besides:
                task.cancel()
        if self._end_reason is not None:
            raise self._end_reason
        await self.in_thread(self.hub.heartbeat, OFFLINE, **self._presence() | {"note": ""})

    async def _read_mailbox(self) -> None:
        while not self._stopping.is_set():
            try:
                # One at a time: a crash must not count as a failed attempt of a delivery that was not begun.
                async with contextlib.aclosing(self.hub.listen_async(look_seconds=self.look_seconds)) as arriving:
                    while (delivery := await self._next_delivery(arriving)) is not None:
                        await self._start_processing(delivery)
            except (SchemaTooNew, RoleLost) as error:
                self._end_with(error)
            except StoreError as error:
                await self._report_read_failure(str(error))
            except Exception as error:
                self.log.exception("cannot read the mailbox")
                await self._report_read_failure(f"{type(error).__name__}: {error}")

    async def _report_read_failure(self, why: str) -> None:
        self._has_read_failure = True
        await self.degrade(_MAILBOX, f"Cannot read its mailbox: {why}")
        await asyncio.sleep(_PAUSE_SECONDS)

    async def _start_processing(self, delivery: Delivery) -> None:
        if self.max_parallel == 1:
            await self._process(delivery)
            return
        work = asyncio.create_task(self._process(delivery))
        self._running.add(work)
        work.add_done_callback(self._running.discard)
        if len(self._running) >= self.max_parallel:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    async def _next_delivery(self, arriving: AsyncGenerator[Delivery, None]) -> Delivery | None:
        """Return the next delivery, or None if the worker ends first."""
        return await self.until_stop(anext(arriving))

    async def _process(self, delivery: Delivery) -> None:
        message = delivery.message
        try:
            keeping = asyncio.create_task(self._renew_lease(delivery))
            try:
                await self.handle(delivery)
            finally:
                keeping.cancel()
        except StaleLease as error:
            self.log.warning("%s", error)
        except StoreError as error:
            self.log.error("%s Message %s is tried again.", error, message.message_id)
            await self._release_when_possible(delivery, str(error))
        except Exception as error:
            self.log.exception("message %s from %s failed", message.message_id, message.sender)
            with contextlib.suppress(TeamsupError):
                await self.in_thread(self.hub.release, delivery, error=f"{self.name} failed: {type(error).__name__}")

    async def _release_when_possible(self, delivery: Delivery, why: str) -> None:
        """Release the delivery as soon as the store is writable. If that does not happen, its lease ends."""
        while not self._stopping.is_set():
            try:
                await self.in_thread(self.hub.release, delivery, error=why)
            except StoreError:
                await asyncio.sleep(_PAUSE_SECONDS)
            except CallerError:
                return
            else:
                return

    async def _renew_lease(self, delivery: Delivery) -> None:
        """Renew the lease during long work."""
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            with contextlib.suppress(TeamsupError):
                await self.in_thread(self.hub.extend, delivery)

    async def _run_work(self) -> None:
        try:
            await self.work()
        except (NotConfigured, SchemaTooNew) as error:
            self._end_with(error)
        finally:
            self._stopping.set()

    def _end_with(self, error: NotConfigured | SchemaTooNew | RoleLost) -> None:
        self._end_reason = error
        self._stopping.set()

    async def _heartbeat_loop(self) -> None:
        """Send heartbeats from the event loop that does the work. So there are no heartbeats when this loop hangs."""
        parent = os.getppid()
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if os.getppid() != parent:
                self.log.warning("the supervisor is gone, so this worker ends")
                self._stopping.set()
            await self.heartbeat()
            if not self._has_read_failure:
                await self.recover(_MAILBOX)
            self._has_read_failure = False
            async with self.reporting("unread", "Cannot report unread messages"):
                await self.in_thread(self._report_unread)

    def _report_unread(self) -> None:
        for message, name in self.hub.wake_ladder.overdue_unread(self._unread_seconds):
            self._report_unread_once(message, name)

    def _report_unread_once(self, message: Message, name: str) -> None:
        try:
            with self.hub.transaction():
                self.hub.wake_ladder.mark_sender_notified((message, name))
                if (agent := self.hub.find_agent(name)) is not None:
                    self.on_unread(message, agent)
        except CallerError as error:
            # This message is then never reported, but it must not delay later ones.
            self.hub.wake_ladder.mark_sender_notified((message, name))
            self.log.error("cannot report that %s has not read message %s: %s", name, message.message_id, error)

    def _status(self) -> str:
        return DEGRADED if self._degraded_causes else ONLINE

    def _presence(self) -> dict[str, Any]:
        reason = {"reason": " ".join(self._degraded_causes.values())} if self._degraded_causes else {}
        return {"pid": os.getpid(), **self.presence_details(), **reason}


async def retry_in_thread(log: logging.Logger, action: Callable[..., T], *arguments: object) -> T:
    """Call the hub until it succeeds, and return its result.

    Raise CallerError, which a retry cannot help.
    """
    while True:
        try:
            return await asyncio.to_thread(action, *arguments)
        except (StoreError, UnknownRecipient) as error:  # before user_comm has ever run, it is unknown
            log.error("%s Trying again.", error)
        await asyncio.sleep(_PAUSE_SECONDS)


def main(kind: type[Worker], tables: ComponentTables | None = None) -> None:
    """Run a worker as this process: ``python -m teamsup.workers.… [--team NAME]``.

    ``tables`` are the tables of its component. They are created and migrated before the worker starts.
    """
    run_process(kind.name, kind, kind.__doc__ or "", tables)


def run_process(
    name: str,
    make: Callable[[MessageHub, Config], Worker],
    description: str,
    tables: ComponentTables | None = None,
) -> None:
    """Run the worker that ``make`` returns, under this name. ``make`` may raise NotConfigured."""
    team = _read_team_argument(description)
    os.umask(0o077)
    end_with_lease()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    try:
        with MessageHub(team, agent=name) as hub:
            try:
                if tables is not None:
                    hub.maintenance.use_component(tables)
                asyncio.run(_run(make, hub))
            except NotConfigured as error:
                is_optional = isinstance(error, OptionalNotConfigured)
                hub.register("daemon", NOT_CONFIGURED, pid=os.getpid(), note=str(error), optional=is_optional)
                raise
    except TeamsupError as error:
        level = logging.INFO if isinstance(error, OptionalNotConfigured) else logging.ERROR
        logging.getLogger(name).log(level, "%s", error)
        sys.exit(error.exit_code)


def _read_team_argument(description: str) -> str | None:
    """Return the team that the command line names. The supervisor writes the command line in a fixed form. So the
    worker does not need a parser, which would take 0.5 MiB.
    """
    if len(sys.argv) == 3 and sys.argv[1] == "--team":
        return sys.argv[2]
    import argparse

    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--team", help="the team's name (default: $TEAMSUP_TEAM or 'default')")
    team: str | None = parser.parse_args().team
    return team


async def _run(make: Callable[[MessageHub, Config], Worker], hub: MessageHub) -> None:
    await make(hub, Config(hub.team)).run()
