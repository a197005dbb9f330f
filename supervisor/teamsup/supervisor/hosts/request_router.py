"""Send a request to each host that it concerns, and join their answers."""

import asyncio
import fnmatch
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from teamsup.hub import CallerError, StoreError, Team, TeamsupError
from teamsup.hub.engines.choice import open_hosts
from teamsup.hub.engines.hosts.team_hosts import HostAnswer, HostReport, HostRequest, TeamHosts, TeamView
from teamsup.hub.errors import ExitCode
from teamsup.hub.validation import list_names, quote
from teamsup.status.state_file import WorkerState, parse_state
from teamsup.terminal.formatting import format_duration

from ..control.client import EMPTY_LOG

_LOOK_SECONDS = 0.1
_ANSWER_SECONDS = 4.0
"""Seconds that the answer of a host may take in addition to the requested time."""
_MAX_LOG_BYTES = 100_000
_MAX_LOG_LINES = 10_000

Perform = Callable[[HostRequest], Awaitable[HostAnswer]]


class RequestRouter:
    """The requests to the supervisors of a team with several hosts. ``perform`` carries out a request on this host."""

    def __init__(self, team: Team, identity: str, view: Callable[[], TeamView], perform: Perform) -> None:
        self._team = team
        self._identity = identity
        self._view = view
        self._perform = perform

    async def answer_for_team(self, request: HostRequest) -> HostAnswer:
        """Send a request to all hosts that it concerns. Return their joined answer."""
        try:
            hosts = find_hosts(request.content, self._view(), self._identity)
        except CallerError as error:
            return HostAnswer(str(error), error.exit_code)
        own = replace(request, content=without_host(request.content))
        answers = await asyncio.gather(*(self._answer_of(host, own) for host in hosts))
        return join_answers([(host.name, answer) for host, answer in zip(hosts, answers, strict=True)])

    async def answer_here(self, request: HostRequest) -> HostAnswer:
        """Carry out a request on this host."""
        match request.content.split():
            case ["logs", _, _] if not request.may_act:
                return HostAnswer("Only a person may read logs.", ExitCode.NOT_ALLOWED)
            case ["logs", name, lines]:
                return await asyncio.to_thread(self._read_log, name, int(lines) if lines.isdecimal() else 100)
        return await self._perform(request)

    async def _answer_of(self, host: HostReport, request: HostRequest) -> HostAnswer:
        if host.identity == self._identity:
            return await self.answer_here(request)
        if host.is_stale:
            return HostAnswer(f"it has not reported for {format_duration(host.age_seconds)}.", ExitCode.UNAVAILABLE)
        try:
            return await asyncio.to_thread(self._ask, host, request)
        except (TeamsupError, StoreError) as error:
            return HostAnswer(f"it cannot be asked: {error}", ExitCode.STORE_FAILED)

    def _ask(self, host: HostReport, request: HostRequest) -> HostAnswer:
        # Use a separate connection, because the leases must be renewed while this request waits.
        hosts = open_hosts(self._team)
        if hosts is None:
            raise CallerError("the team is no longer stored on a server.")
        with hosts:
            return ask_host(hosts, host.identity, request)

    def _read_log(self, name: str, lines: int) -> HostAnswer:
        known = sorted(path.stem for path in self._team.logs.glob("*.log"))
        if name not in known:
            return HostAnswer(f"There is no log of {quote(name)} here.", ExitCode.NO_TEAM)
        try:
            with (self._team.logs / f"{name}.log").open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _MAX_LOG_BYTES))
                text = file.read().decode("utf-8", "replace")
        except OSError as error:
            return HostAnswer(f"The log of {name} cannot be read: {error.strerror}.", ExitCode.STORE_FAILED)
        whole = text.splitlines()[1 if size > _MAX_LOG_BYTES else 0 :]
        return HostAnswer("\n".join(whole[-min(lines, _MAX_LOG_LINES) :]) or EMPTY_LOG, 0)


def ask_host(hosts: TeamHosts, identity: str, request: HostRequest) -> HostAnswer:
    """Ask the supervisor of a host, and wait for its answer. Raise StoreError."""
    number = hosts.ask(identity, request)
    ends = time.monotonic() + request.seconds + _ANSWER_SECONDS
    while time.monotonic() < ends:
        if (answer := hosts.find_answer(number)) is not None:
            return answer
        time.sleep(_LOOK_SECONDS)
    return HostAnswer(f"it has not answered within {request.seconds + _ANSWER_SECONDS:.0f} s.", ExitCode.UNAVAILABLE)


def find_hosts(content: str, view: TeamView, identity: str) -> Sequence[HostReport]:
    """Return the hosts that must carry out a request, this host first. Raise CallerError if it concerns only a silent
    host. Pure.

    A request about the whole team goes to every host. A start or a stop of a worker goes to each host that has it.
    Otherwise a standby would start a worker that a person has stopped. A restart and a log belong to the host that runs
    it.
    """
    name, named = split_host(content)
    here = next((host for host in view.hosts if host.identity == identity), HostReport(identity, "", 0.0, False, {}))
    known = [here, *(host for host in view.others(identity) if not host.has_ended)]
    live = [host for host in known if host is here or host.is_live]
    if named:
        chosen = [host for host in known if host.name == named]
        if not chosen:
            raise CallerError(
                f"There is no host {quote(named)}; there are {list_names([host.name for host in known])}."
            )
        return chosen
    match content.split():
        case ["status"]:
            return known
        case ["reload"]:
            return live
        case ["start" | "stop", _]:
            return [host for host in live if find_workers(host, name)] or [here]
        case ["restart", _] | ["logs" | "signal", _, _]:
            having = [host for host in known if any(worker.pid is not None for worker in find_workers(host, name))]
            lease = view.lease_of(name)
            if lease is not None and lease.seconds_left > 0:
                having = [host for host in having if host.identity == lease.holder]
            if having and not any(host in live for host in having):
                age = format_duration(having[0].age_seconds)
                raise CallerError(f"Host {having[0].name} ran {name}, and has not reported for {age}.")
            having = [host for host in having if host in live]
            return having or [host for host in live if find_workers(host, name)] or [here]
    return [here]


def split_host(content: str) -> tuple[str, str]:
    """Return the worker and the host that a request names: "stop web@beta" names both."""
    name, _, host = (content.split()[1:2] or [""])[0].partition("@")
    return name, host


def without_host(content: str) -> str:
    """Return the request without the name of a host, for the host itself."""
    name, host = split_host(content)
    return content.replace(f"{name}@{host}", name, 1) if host else content


def find_workers(host: HostReport, pattern: str) -> list[WorkerState]:
    """Return the workers of a host that match a name or a pattern such as ``web-*``, according to the host's report."""
    return [worker for worker in parse_state(host.state).workers if fnmatch.fnmatchcase(worker.name, pattern)]


def join_answers(answers: Sequence[tuple[str, HostAnswer]]) -> HostAnswer:
    """Join the answers of hosts. If there are several, each line begins with the name of its host. Pure."""
    if len(answers) == 1:
        return answers[0][1]
    lines = [f"{host}: {line}" for host, answer in answers for line in answer.content.splitlines()]
    return HostAnswer("\n".join(lines), next((each.exit_code for _, each in answers if each.exit_code), 0))
