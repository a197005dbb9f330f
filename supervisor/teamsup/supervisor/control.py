"""What the supervisor is asked for in messages, and who may: status, start NAME, stop NAME, restart NAME, reload."""

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from teamsup.hub import Agent, CallerError, Delivery, Message, StoreError, TeamsupError
from teamsup.hub.checks import listed, quote
from teamsup.hub.command_line import command_line
from teamsup.hub.messages import NOT_CONFIGURED

from .lifecycle import State, is_done
from .member import Member
from .readiness import is_not_set_up, reason_of, tell_unready
from .request import EXIT_CODE, SECONDS, NotReady
from .state_file import WorkerState

if TYPE_CHECKING:
    from .supervisor import Supervisor

_PATIENCE = 25.0
_LONGEST_SECONDS = 24 * 3600.0
_COMMANDS = 3
"""Of more workers than these the table of all is shown."""


async def answer(supervisor: "Supervisor", delivery: Delivery, agents: Sequence[Agent]) -> None:
    """Do what a message asks for, if its sender may, and say what became of that."""
    message = delivery.message
    if message.reply_to is not None:
        await supervisor.in_hub(supervisor.hub.acknowledge, delivery)
        return
    people = [agent.name for agent in agents if agent.kind == "console"]
    may_act = message.sender in (*people, *supervisor.settings.operators)
    try:
        text = await _do(supervisor, message, may_act=may_act)
        error = {}
    except CallerError as refused:
        text, error = str(refused), {EXIT_CODE: refused.exit_code}
    except Exception as failed:
        text = f"That failed: {failed if isinstance(failed, TeamsupError | OSError) else repr(failed)}"
        error = {EXIT_CODE: os.EX_IOERR if isinstance(failed, StoreError | OSError) else os.EX_SOFTWARE}
        supervisor.say(text)
    await supervisor.in_hub(
        supervisor.hub.reply, delivery, text, message_type="error" if error else "message", metadata=error
    )


async def _do(supervisor: "Supervisor", message: Message, *, may_act: bool) -> str:
    """Return what was done. Raises CallerError, or what reload() raises, when it was not."""
    sender, words, patience = message.sender, message.content.split(), _patience(message)
    crew = supervisor.crew
    match words:
        case ["status"]:
            itself = [f"supervisor: DEGRADED, {supervisor.troubles}"] if supervisor.troubles else []
            return "\n".join([*itself, *(_described(supervisor, member) for member in crew.members.values())])
        case ["reload"] | [("start" | "stop" | "restart"), _] if not may_act:
            how = command_line(supervisor.team, *words)
            raise CallerError(f"{sender} may ask only for 'status'. A person may do this in a terminal: {how}")
        case ["reload" | "start" | "stop" | "restart", *_] if supervisor.stopping.is_set():
            raise CallerError("The team is being stopped.")
        case ["reload"]:
            supervisor.say(f"{sender} asked to reload")
            plan = await supervisor.reload()
            # Also who was started already because the file was saved.
            begun = {*plan.start, *plan.restart, *crew.starting()}
            await _settle(supervisor, begun, patience)
            unready = await reasons_of_unready(supervisor)
            if reasons := {name: reason for name, reason in unready.items() if name in begun}:
                raise NotReady(f"{plan}. {_why_not(supervisor, reasons)}")
            return str(plan)
        case [("start" | "stop" | "restart") as verb, name] if name in supervisor.settings.programs:
            supervisor.say(f"{sender} asked to {verb} {name}")
            return await _move(supervisor, crew.members[name], verb, patience)
        case [("start" | "stop" | "restart"), name]:
            raise CallerError(f"There is no worker {quote(name)}; there are {listed([*supervisor.settings.programs])}.")
    raise CallerError("I know 'status', 'start NAME', 'stop NAME', 'restart NAME' and 'reload'.")


def _patience(message: Message) -> float:
    """Return for how many seconds the sender wants us to wait for workers to be ready."""
    given = message.metadata.get(SECONDS)
    return given if isinstance(given, float) and 0 <= given <= _LONGEST_SECONDS else _PATIENCE


async def _move(supervisor: "Supervisor", member: Member, verb: str, patience: float) -> str:
    crew, name = supervisor.crew, member.name
    match verb:
        case "start":
            crew.start(name)
        case "stop":
            crew.stop(name)
        case "restart":
            crew.restart(name)
    await _settle(supervisor, [name], patience)
    # What it waits for is no part of its state, so its lifecycle has not published it.
    supervisor.publish()
    if verb == "stop":
        return f"{name} has ended." if member.child is None else f"{name} is about to end."
    if member.child is not None and member.process.state is State.RUNNING:
        return f"{name} runs, pid {member.child.pid}."
    if is_done(member.process.state, member.process.reason):
        return f"{name} was started and has ended well."
    state = crew.state_of(member)
    agents = await _agents_of(supervisor, [state])
    raise NotReady(_why_not(supervisor, {name: reason_of(state, agents.get(name))}))


async def _settle(supervisor: "Supervisor", names: Iterable[str], seconds: float) -> None:
    """Return when each of these runs, has ended or cannot go on, at the latest after so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await supervisor.crew.at_rest(names)


async def reasons_of_unready(supervisor: "Supervisor") -> dict[str, str]:
    """Return why each worker that should run does not; not those that nobody has set up."""
    workers = supervisor.crew.unready()
    agents = await _agents_of(supervisor, workers)
    return {
        worker.name: reason_of(worker, agents.get(worker.name))
        for worker in workers
        if not is_not_set_up(worker, agents.get(worker.name))
    }


async def _agents_of(supervisor: "Supervisor", workers: Sequence[WorkerState]) -> dict[str, Agent | None]:
    """Return what those have said in the hub that are not configured. Of who cannot be read nothing is known."""
    names = [worker.name for worker in workers if worker.reason == NOT_CONFIGURED]
    find = supervisor.hub.agent_named
    return (await supervisor.in_hub(lambda: {name: find(name) for name in names}) if names else None) or {}


def _why_not(supervisor: "Supervisor", reasons: Mapping[str, str]) -> str:
    """Return why each of these does not run, and then the commands that show more."""
    names = [[name] for name in reasons] if len(reasons) <= _COMMANDS else [[]]
    return f"{tell_unready(reasons)} See: {'; '.join(command_line(supervisor.team, 'ps', *each) for each in names)}"


def _described(supervisor: "Supervisor", member: Member) -> str:
    if degraded := supervisor.degradation(member):
        return f"{member.name}: DEGRADED, {degraded}"
    reason = f", {member.process.reason}" if member.process.reason else ""
    return f"{member.name}: {member.process.state}{reason}"
