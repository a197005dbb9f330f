"""What the supervisor is asked for in messages, and who may: status, start NAME, stop NAME, restart NAME, reload."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from teamsup.hub import Agent, Delivery, NotConfigured
from teamsup.hub.checks import listed, quote
from teamsup.hub.command_line import command_line

from .crew import Member
from .lifecycle import State

if TYPE_CHECKING:
    from .supervisor import Supervisor

# Less than those wait who have asked.
_PATIENCE = 25.0


async def answer(supervisor: "Supervisor", delivery: Delivery, agents: Sequence[Agent]) -> None:
    """Do what a message asks for, if its sender may, and say what became of that."""
    message = delivery.message
    if message.reply_to is not None:
        await supervisor.in_hub(supervisor.hub.acknowledge, delivery)
        return
    people = [agent.name for agent in agents if agent.kind == "console"]
    may_act = message.sender in (*people, *supervisor.settings.operators)
    try:
        done, text = await _do(supervisor, message.content.split(), message.sender, may_act=may_act)
    except Exception as error:
        done, text = False, f"That failed: {type(error).__name__}: {error}"
        supervisor.say(text)
    kind = "message" if done else "error"
    await supervisor.in_hub(supervisor.hub.reply, delivery, text, message_type=kind)


async def _do(supervisor: "Supervisor", words: list[str], sender: str, *, may_act: bool) -> tuple[bool, str]:
    members = supervisor.crew.members
    match words:
        case ["status"]:
            itself = [f"supervisor: DEGRADED, {supervisor.troubles}"] if supervisor.troubles else []
            return True, "\n".join([*itself, *(_described(supervisor, member) for member in members.values())])
        case ["reload"] | [("start" | "stop" | "restart"), _] if not may_act:
            how = command_line(supervisor.team, *words)
            return False, f"I tell {sender} only the 'status'. A person may do this in a terminal: {how}"
        case ["reload" | "start" | "stop" | "restart", *_] if supervisor.stopping.is_set():
            return False, "The team is being stopped."
        case ["reload"]:
            supervisor.say(f"{sender} asked to reload")
            try:
                return True, await supervisor.reload()
            except NotConfigured as error:
                return False, str(error)
        case [("start" | "stop" | "restart") as verb, name] if name in supervisor.settings.programs:
            supervisor.say(f"{sender} asked to {verb} {name}")
            return await _move(supervisor, members[name], verb)
        case [("start" | "stop" | "restart"), name]:
            return False, f"There is no worker {quote(name)}; there are {listed([*supervisor.settings.programs])}."
    return False, "I know 'status', 'start NAME', 'stop NAME', 'restart NAME' and 'reload'."


async def _move(supervisor: "Supervisor", member: Member, verb: str) -> tuple[bool, str]:
    crew, name = supervisor.crew, member.name
    match verb:
        case "start":
            crew.start(name)
        case "stop":
            crew.stop(name)
        case "restart":
            crew.restart(name)
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            await crew.settled(member, State.STOPPING, State.STARTING)
            for other in crew.waits_for(member):
                await crew.settled(crew.members[other], State.STARTING)
            await crew.settled(member, State.STARTING)
    # What it waits for is no part of its state, so its lifecycle has not published it.
    supervisor.publish()
    if verb == "stop":
        return True, f"{name} has ended." if member.child is None else f"{name} is about to end."
    if member.process.state is State.STARTING:
        return True, f"{name} was started and has not reported yet."
    if member.child is not None:
        return True, f"{name} runs, pid {member.child.pid}."
    if waiting := crew.waits_for(member):
        return False, f"{name} waits for {', '.join(waiting)}."
    why = member.process.reason or member.process.state
    return False, f"{name} does not run: {why}. See: {command_line(supervisor.team, 'ps', name)}"


def _described(supervisor: "Supervisor", member: Member) -> str:
    if degraded := supervisor.degradation(member):
        return f"{member.name}: DEGRADED, {degraded}"
    reason = f", {member.process.reason}" if member.process.reason else ""
    return f"{member.name}: {member.process.state}{reason}"
