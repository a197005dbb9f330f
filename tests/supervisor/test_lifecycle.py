"""What next for a worker's process: the table."""

import os

import pytest

from teamsup.supervisor.lifecycle import (
    HEALTHY_SECONDS,
    Action,
    Event,
    Exited,
    Process,
    Ready,
    SpawnFailed,
    Start,
    State,
    Stop,
    Tick,
    step,
)

NOW = 1000.0
CRASH = Exited(1)


@pytest.mark.parametrize(
    ("state", "event", "then", "actions"),
    [
        (State.STOPPED, Start(), State.STARTING, [Action.SPAWN]),
        (State.FATAL, Start(), State.STARTING, [Action.SPAWN]),
        (State.EXITED, Start(), State.STARTING, [Action.SPAWN]),
        (State.BACKOFF, Start(), State.STARTING, [Action.SPAWN]),
        (State.RUNNING, Start(), State.RUNNING, []),
        (State.STARTING, Start(), State.STARTING, []),
        (State.STARTING, Ready(), State.RUNNING, []),
        (State.STOPPING, Ready(), State.STOPPING, []),
        (State.STARTING, SpawnFailed("no such file"), State.FATAL, []),
        (State.RUNNING, CRASH, State.STARTING, [Action.SPAWN]),
        (State.STARTING, CRASH, State.STARTING, [Action.SPAWN]),
        (State.RUNNING, Exited(0), State.STARTING, [Action.SPAWN]),
        (State.RUNNING, Exited(os.EX_CONFIG), State.EXITED, []),
        (State.STARTING, Exited(os.EX_CONFIG), State.EXITED, []),
        (State.STOPPING, CRASH, State.STOPPED, []),
        (State.RUNNING, Stop(10), State.STOPPING, [Action.TERMINATE]),
        (State.STARTING, Stop(10), State.STOPPING, [Action.TERMINATE]),
        (State.STOPPING, Stop(10), State.STOPPING, []),
        (State.BACKOFF, Stop(10), State.STOPPED, []),
        (State.EXITED, Stop(10), State.STOPPED, []),
        (State.EXITED, Stop(10, restart=True), State.STARTING, [Action.SPAWN]),
        (State.RUNNING, Tick(), State.RUNNING, []),
    ],
)
def test_the_table(state: State, event: Event, then: State, actions: list[Action]) -> None:
    after, todo = step(Process(state), event, NOW)

    assert (after.state, list(todo)) == (then, actions)


def test_a_first_death_is_repaired_at_once_and_the_next_ones_after_ever_longer_pauses() -> None:
    process, _ = step(Process(), Start(), NOW)
    pauses = []
    for death in range(1, 12):
        process, actions = step(process, CRASH, NOW)
        if process.state is State.BACKOFF:
            assert process.due is not None
            pauses.append(process.due - NOW)
            assert step(process, Tick(), process.due - 0.001) == (process, ())
            process, actions = step(process, Tick(), process.due)
        assert actions == (Action.SPAWN,)
        assert process.restarts == death

    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_the_pause_is_drawn_from_all_of_its_length() -> None:
    crashed = Process(State.RUNNING, started_at=NOW, failures=3)

    after, _ = step(crashed, Exited(1, jitter=0.25), NOW)

    assert after.due == NOW + 0.25 * 2


def test_health_makes_failures_forgotten() -> None:
    process = Process(State.RUNNING, started_at=NOW, failures=9)

    after, actions = step(process, CRASH, NOW + HEALTHY_SECONDS)

    assert (after.failures, actions) == (1, (Action.SPAWN,))


def test_a_stubborn_worker_is_killed_when_patience_ends() -> None:
    process, _ = step(Process(State.RUNNING), Stop(10), NOW)

    assert step(process, Tick(), NOW + 9.9)[1] == ()
    process, actions = step(process, Tick(), NOW + 10)

    assert actions == (Action.KILL,)
    assert step(process, Exited(-9), NOW + 11)[0].state is State.STOPPED


def test_a_restart_spawns_once_the_old_process_is_gone() -> None:
    process, actions = step(Process(State.RUNNING), Stop(10, restart=True), NOW)
    assert actions == (Action.TERMINATE,)

    process, actions = step(process, Exited(0), NOW)

    assert (process.state, process.restarts, actions) == (State.STARTING, 1, (Action.SPAWN,))


def test_a_stop_during_a_restart_wins() -> None:
    process, _ = step(Process(State.RUNNING), Stop(10, restart=True), NOW)
    process, _ = step(process, Stop(10), NOW)

    assert step(process, Exited(0), NOW)[0].state is State.STOPPED


def test_why_it_is_not_running_is_remembered() -> None:
    assert step(Process(State.RUNNING), Exited(os.EX_CONFIG), NOW)[0].reason == "not configured"
    assert step(Process(State.STARTING), SpawnFailed("no such file"), NOW)[0].reason == "no such file"
    assert step(Process(State.RUNNING, failures=1), Exited(-9), 0)[0].reason == "signal 9"
