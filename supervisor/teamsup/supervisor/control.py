"""What the supervisor is asked for in messages, and who may: status, start NAME, stop NAME, restart NAME, reload."""

import asyncio
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from teamsup.hub import Agent, CallerError, Delivery, Message, StoreError, TeamsupError
from teamsup.hub.checks import LISTED, listed, quote
from teamsup.hub.command_line import command_line

from .lifecycle import State, is_done
from .member import Member
from .request import EXIT_CODE, SECONDS, NotReady

if TYPE_CHECKING:
    from .supervisor import Supervisor

_PATIENCE = 25.0
_LONGEST_SECONDS = 24 * 3600.0


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
            unready = [name for name in crew.unready() if name in begun]
            if unready:
                raise NotReady(f"{plan}. {_why_not(supervisor, unready)}")
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
    raise NotReady(_why_not(supervisor, [name]))


async def _settle(supervisor: "Supervisor", names: Iterable[str], seconds: float) -> None:
    """Return when each of these runs, has ended or cannot go on, at the latest after so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await supervisor.crew.at_rest(names)


def _why_not(supervisor: "Supervisor", names: Sequence[str]) -> str:
    """Return why each of these does not run, and then the commands that show more."""
    shown = names[:LISTED]
    reasons = [_reason(supervisor, supervisor.crew.members[name]) for name in shown]
    if len(names) > LISTED:
        reasons.append(f"{len(names) - LISTED} more do not run.")
    return f"{' '.join(reasons)} See: {'; '.join(command_line(supervisor.team, 'ps', name) for name in shown)}"


def _reason(supervisor: "Supervisor", member: Member) -> str:
    if waiting := supervisor.crew.waits_for(member):
        return f"{member.name} waits for {', '.join(waiting)}."
    if member.process.state in (State.STARTING, State.STOPPING):
        return f"{member.name} is not ready yet."
    return f"{member.name} does not run: {(member.process.reason or member.process.state).rstrip('.')}."


def _described(supervisor: "Supervisor", member: Member) -> str:
    if degraded := supervisor.degradation(member):
        return f"{member.name}: DEGRADED, {degraded}"
    reason = f", {member.process.reason}" if member.process.reason else ""
    return f"{member.name}: {member.process.state}{reason}"
