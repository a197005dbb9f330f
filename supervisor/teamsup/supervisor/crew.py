"""The workers of one team as processes: does what ``lifecycle.step`` decides, in the order of their dependencies."""

import asyncio
import functools
import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from teamsup.hub import Team
from teamsup.hub.messages import NOT_CONFIGURED, SUPERVISOR
from teamsup.hub.settings import HANDED
from teamsup.hub.wording import printable

from . import deaths, leftovers, lifecycle
from .child import Child
from .configuration import Program, secrets_withheld_from
from .deaths import Death
from .dependencies import Dependencies, serves
from .journal import Journal
from .lifecycle import ALIVE, HELD, Action, Process, State
from .member import Member
from .pulse import Pulse
from .state_file import WorkerState
from .sweeper import Sweeper
from .work_list import After, WorkList


class Crew:
    """All of them. Lives on the event loop of the supervisor; ``on_change`` is called whenever a member has changed,
    ``on_death`` when one has ended without being asked to."""

    def __init__(
        self,
        team: Team,
        journal: Journal,
        on_change: Callable[[Member], None],
        on_death: Callable[[Member, Death], None],
    ) -> None:
        self._team = team
        self._journal = journal
        self._on_change = on_change
        self._on_death = on_death
        self._runs = 0
        self._ending = False
        self._impatient = False
        self._moved = asyncio.Event()
        self._work = WorkList(self._decide, self._advance, self._stepped, self._say)
        self._by_pid: dict[int, Member] = {}
        self._sweeper = Sweeper(self._say)
        self.members: dict[str, Member] = {}
        self.saved_secrets: Mapping[str, Collection[str]] = {}
        """Variables that the saved teamsup.toml names as secrets, and whose they are: also before a reload."""
        self._dependencies = Dependencies(self.members)

    def configure(self, programs: Mapping[str, Program], known_deaths: Mapping[str, tuple[Death, ...]]) -> None:
        """Run these programs from now on; what runs already goes on with what it was started with."""
        gone = {name: member for name, member in self.members.items() if name not in programs}
        members = {}
        for name, program in programs.items():
            member = self.members.get(name) or Member(program, deaths=known_deaths.get(name, ()))
            member.program = program
            members[name] = member
            self._journal.open(name, program.log_bytes, program.log_files)
        # Those that are still about to end stay members until they have.
        self.members = members | {name: member for name, member in gone.items() if member.is_busy}
        self._dependencies = Dependencies(self.members)
        self._touch_all()

    def start(self, *names: str) -> None:
        """Have these run, and whatever they depend on."""
        for member in [] if self._ending else self._dependencies.needed_by(*names):
            member.wanted = True
            if member.process.state in (*HELD, State.BACKOFF):
                # From there it starts once those run that it depends on.
                self.apply(member, lifecycle.Stop())
        self._touch_all()

    def stop(self, *names: str) -> None:
        """Have these end, once nobody is left who depends on them. Who does waits until they are started again."""
        for name in names:
            self.members[name].wanted = False
        self._touch_all()

    def restart(self, *names: str) -> None:
        """Have these end and start again, in the order of their dependencies."""
        for name in names:
            self.members[name].renew = self.members[name].is_busy
        self.start(*names)

    def stop_all(self) -> None:
        self._ending = True
        self._sweeper.hurry()
        self.stop(*self.members)

    def kill_all(self) -> None:
        self._impatient = True
        for member in self.members.values():
            self.apply(member, lifecycle.Stop())
            if member.child is not None:
                member.child.kill()

    async def ended(self) -> None:
        """Return once no process is left, and nothing that one of them has left behind."""
        for member in list(self.members.values()):
            await self.settled(member, *ALIVE, State.STOPPING, State.BACKOFF)
        await self._sweeper.finish()

    async def settled(self, member: Member, *states: State) -> None:
        """Return once the member is in none of these states."""
        while member.process.state in states or self._work.is_pending(member):
            member.changed.clear()
            await member.changed.wait()

    async def at_rest(self, names: Iterable[str]) -> None:
        """Return once each of these runs, has ended, or waits for something that only time or a person can change."""
        while any(self._is_moving(name) for name in names):
            self._moved.clear()
            await self._moved.wait()

    def waits_for(self, member: Member) -> list[str]:
        """Those a member that should run cannot be started without."""
        return self._dependencies.missing(member) if self._is_wanting(member) else []

    def state_of(self, member: Member) -> WorkerState:
        """What others may know of it."""
        waiting = self.waits_for(member)
        return WorkerState(
            name=member.name,
            state=member.process.state,
            pid=member.child.pid if member.child else None,
            started_at=member.started_at if member.child else None,
            restarts=member.process.restarts,
            reason=f"waits for {', '.join(waiting)}" if waiting else member.process.reason,
            heartbeat_seconds=member.program.heartbeat_seconds,
            deaths=member.deaths,
        )

    @property
    def is_calm(self) -> bool:
        """Whether all is done that is to be done now."""
        return not self._work

    def starting(self) -> list[str]:
        """Those that have been started and have not reported yet, or are about to be; not who has failed twice."""
        return [
            member.name
            for member in self.members.values()
            if (member.process.state is State.STARTING and member.process.failures <= 1)
            or (self._is_wanting(member) and not self.waits_for(member))
        ]

    def unready(self) -> list[WorkerState]:
        """Those that should run and do not: they start, are tried again, wait, or are held."""
        return [self.state_of(member) for member in self.members.values() if member.wanted and not serves(member)]

    def member_of(self, lineage: leftovers.Lineage) -> Member | None:
        """Return the worker that a process is, or comes from."""
        for member in self.members.values():
            if member.child is not None and (
                member.child.pid in (*lineage.pids, lineage.group) or lineage.mark == member.mark
            ):
                return member
        return None

    def reap(self) -> None:
        """Take notice of processes that have ended."""
        for pid in leftovers.ended_children(self._by_pid):
            member = self._by_pid[pid]
            if member.child is not None and (code := member.child.exit_code()) is not None:
                self._exited(member, member.child, code)

    def apply(self, member: Member, event: lifecycle.Event, after: After | None = None) -> None:
        """Let the member's lifecycle decide, and do it: at once, or in the next turns when very much is to be done."""
        self._work.add(member, event, after)
        self._work.work()

    def _touch_all(self) -> None:
        """Something has changed that may let anybody start or stop."""
        self._touch(self.members)
        self._work.work()

    def _touch(self, names: Iterable[str]) -> None:
        for name in names:
            if (member := self.members.get(name)) is not None:
                self._work.touch(self._dependencies.rank(name), member)

    def _stepped(self, member: Member) -> None:
        member.changed.set()
        self._moved.set()

    def _decide(self, member: Member, event: lifecycle.Event, after: After | None) -> None:
        before = member.process
        member.process, actions = lifecycle.step(before, event, time.monotonic(), member.program.policy)
        try:
            for action in actions:
                self._act(member, action)
            if after is not None:
                after(before)
        finally:
            self._set_timer(member)
            if member.process != before:
                self._touch(self._dependencies.around(member))
                self._on_change(member)

    def _set_timer(self, member: Member) -> None:
        if member.timer is not None:
            member.timer.cancel()
            member.timer = None
        if member.process.due is not None:
            pause = max(0.0, member.process.due - time.monotonic())
            member.timer = asyncio.get_running_loop().call_later(pause, self.apply, member, lifecycle.Tick())

    def _is_wanting(self, member: Member) -> bool:
        return member.wanted and member.process.state is State.STOPPED and not self._ending

    def _advance(self, member: Member) -> None:
        """Start or stop it if that has become possible."""
        starts_again = member.process.state in (*ALIVE, State.BACKOFF) or member.process.replace
        must_end = self._dependencies.must_end(member)
        if starts_again and must_end:
            if not self._dependencies.is_needed(member):
                member.renew = False
                self.apply(member, lifecycle.Stop())
        elif member.process.state in HELD and not member.wanted:
            self.apply(member, lifecycle.Stop())
        elif not must_end and self._is_wanting(member) and not self.waits_for(member):
            self.apply(member, lifecycle.Start())

    def _is_moving(self, name: str) -> bool:
        """Whether it is about to start, to end or to be replaced, or waits for one that is."""
        names = [name]
        for each in names:
            member = self.members.get(each)
            if member is None:
                continue
            ends = member.renew or (member.is_busy and not member.wanted) or self._work.is_pending(member)
            if ends or member.process.state in (State.STARTING, State.STOPPING):
                return True
            if self._is_wanting(member):
                others = self.waits_for(member)
                if not others:
                    return True
                names += [other for other in others if other not in names]
        return False

    def _act(self, member: Member, action: Action) -> None:
        match action:
            case Action.SPAWN:
                self._spawn(member)
            case Action.TERMINATE if member.child is not None:
                if self._impatient:
                    member.child.kill()
                else:
                    member.child.terminate(member.program.stop_signal)
            case Action.DUMP if member.child is not None:
                self._say(f"{member.name} hangs: {member.process.reason}")
                member.child.dump()
            case Action.KILL if member.child is not None:
                self._say(f"{member.name} did not end in time and is killed")
                member.child.kill()

    def _spawn(self, member: Member) -> None:
        self._runs += 1
        mark = leftovers.mark(self._team, member.name, self._runs)
        member.tail.clear()
        if fault := member.program.fault:
            self._spawn_failed(member, lifecycle.SpawnFailed(f"{deaths.UNSTARTED}{fault}"))
            return
        try:
            child = Child(self._without_secrets(member.program), self._environment(member.program, mark))
        except Exception as error:
            # Whatever the system lacks or refuses, even a program that is away, may be there at the next try.
            file = getattr(error, "filename", None)
            reason = f"{deaths.UNSTARTED}{getattr(error, 'strerror', None) or error}" + (f": {file}" if file else "")
            self._spawn_failed(member, lifecycle.SpawnFailed(reason, passing=True, jitter=random.random()))  # noqa: S311
            return
        member.child, member.mark = child, mark
        self._by_pid[child.pid] = member
        member.started_at, member.pulse, member.stale_beat = time.time(), Pulse(time.monotonic()), member.beat
        self._say(f"{member.name} started, pid {child.pid}")

        def hear() -> None:
            if not child.read_lines(functools.partial(self._keep, member)):
                asyncio.get_running_loop().remove_reader(child.output)

        asyncio.get_running_loop().add_reader(child.output, hear)

    def _spawn_failed(self, member: Member, event: lifecycle.SpawnFailed) -> None:
        """Before all that waits, but behind the death that it was to be started again after."""
        self._say(f"{member.name} {event.reason}")
        self._work.add(member, event, lambda _: self._died(member, None, event.reason), first=True)

    def _without_secrets(self, program: Program) -> Program:
        saved = secrets_withheld_from(program.name, self.saved_secrets)
        return replace(program, withheld=tuple({*program.withheld, *saved}))

    def _environment(self, program: Program, mark: str) -> dict[str, str]:
        beat = program.heartbeat_seconds
        return {
            leftovers.MARK: mark,
            "TEAMSUP_TEAM": self._team.name,
            "TEAMSUP_HOME": str(self._team.folder.parent),
            HANDED: str(self._team.accepted_configuration),
            **({} if beat is None else {"TEAMSUP_HEARTBEAT_SECONDS": f"{beat:g}"}),
        }

    def _keep(self, member: Member, lines: list[str]) -> None:
        member.tail.extend(printable(line.rstrip())[: deaths.KEPT_COLUMNS] for line in lines[-deaths.KEPT_LINES :])
        self._journal.say(member.name, *lines)

    def _exited(self, member: Member, child: Child, code: int) -> None:
        del self._by_pid[child.pid]
        member.child = None
        asyncio.get_running_loop().remove_reader(child.output)
        try:
            child.close(functools.partial(self._keep, member))
        except Exception as error:
            self._say(f"{member.name}: {type(error).__name__}: {error}")
        lines = tuple(member.tail)
        reason = member.process.reason if member.process.replace else lifecycle.exit_reason(code)
        if reason != NOT_CONFIGURED or not lines:
            # Who is not configured has said so itself.
            self._say(f"{member.name} ended ({reason})")
        self._sweeper.add(member.name, member.mark)

        def tell(before: Process) -> None:
            asked = before.state is State.STOPPING and not before.replace
            if not asked and not lifecycle.is_done(member.process.state, reason):
                ran = None if before.ready_at is None else time.monotonic() - before.ready_at
                self._died(member, child.pid, reason, lines, ran)

        self.apply(member, lifecycle.Exited(code, random.random()), tell)  # noqa: S311

    def _died(
        self, member: Member, pid: int | None, reason: str, lines: tuple[str, ...] = (), ran: float | None = None
    ) -> None:
        now, process = time.time(), member.process
        next_try = now if process.state is State.STARTING else None
        if process.state is State.BACKOFF and process.due is not None:
            next_try = now + process.due - time.monotonic()
            self._say(f"{member.name} starts again in {next_try - now:.1f} s")
        death = Death(now, pid, reason, max(1, process.failures), next_try, lines, ran)
        member.deaths = deaths.kept(member.deaths, death)
        self._on_death(member, death)

    def _say(self, line: str) -> None:
        self._journal.say(SUPERVISOR, line)
