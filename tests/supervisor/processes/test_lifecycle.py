"""What next for a worker's process: the table."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamsup.status.process_state import State
from teamsup.supervisor.configuration.process_policy import ProcessPolicy, RestartPolicy
from teamsup.supervisor.processes.lifecycle import (
    DUMP_SECONDS,
    Action,
    Event,
    Exited,
    Hung,
    MemoryExceeded,
    Process,
    Ready,
    SpawnFailed,
    Start,
    Stop,
    Tick,
    transition,
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
        (State.RUNNING, Stop(), State.STOPPING, [Action.TERMINATE]),
        (State.STARTING, Stop(), State.STOPPING, [Action.TERMINATE]),
        (State.STOPPING, Stop(), State.STOPPING, []),
        (State.BACKOFF, Stop(), State.STOPPED, []),
        (State.EXITED, Stop(), State.STOPPED, []),
        (State.STOPPING, Start(), State.STOPPING, []),
        (State.RUNNING, Hung("silent"), State.STOPPING, [Action.DUMP]),
        (State.STARTING, Hung("silent"), State.STOPPING, [Action.DUMP]),
        (State.STOPPING, Hung("silent"), State.STOPPING, []),
        (State.BACKOFF, Hung("silent"), State.BACKOFF, []),
        (State.RUNNING, MemoryExceeded("big"), State.STOPPING, [Action.TERMINATE]),
        (State.STOPPED, MemoryExceeded("big"), State.STOPPED, []),
        (State.RUNNING, Tick(), State.RUNNING, []),
    ],
)
def test_the_table(state: State, event: Event, then: State, actions: list[Action]) -> None:
    after, todo = transition(Process(state), event, NOW)

    assert (after.state, list(todo)) == (then, actions)


def test_a_first_death_is_repaired_at_once_and_the_next_ones_after_ever_longer_pauses() -> None:
    process, _ = transition(Process(), Start(), NOW)
    pauses = []
    for crash in range(1, 12):
        process, actions = transition(process, CRASH, NOW)
        if process.state is State.BACKOFF:
            assert process.due is not None
            pauses.append(process.due - NOW)
            assert transition(process, Tick(), process.due - 0.001) == (process, ())
            process, actions = transition(process, Tick(), process.due)
        assert actions == (Action.SPAWN,)
        assert process.restarts == crash

    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_the_pause_is_drawn_from_all_of_its_length() -> None:
    crashed = Process(State.RUNNING, failures=3)

    after, _ = transition(crashed, Exited(1, jitter=0.25), NOW)

    assert after.due == NOW + 0.25 * 2


def test_health_makes_failures_forgotten() -> None:
    process = Process(State.RUNNING, ready_at=NOW, failures=9)

    assert transition(process, CRASH, NOW + 59)[0].failures == 10
    after, actions = transition(process, CRASH, NOW + 60)

    assert (after.failures, actions) == (1, (Action.SPAWN,))


def test_a_start_that_takes_long_is_not_health() -> None:
    process = Process(State.STOPPING, failures=9, will_replace=True)

    assert transition(process, CRASH, NOW + 1000)[0].state is State.BACKOFF


def test_a_stubborn_worker_is_killed_when_patience_ends() -> None:
    process, _ = transition(Process(State.RUNNING), Stop(), NOW)

    assert transition(process, Tick(), NOW + 9.9)[1] == ()
    process, actions = transition(process, Tick(), NOW + 10)

    assert actions == (Action.KILL,)
    assert transition(process, Exited(-9), NOW + 11)[0].state is State.STOPPED


def test_a_stop_while_it_is_about_to_be_replaced_wins() -> None:
    process, _ = transition(Process(State.RUNNING), Hung("silent"), NOW)
    process, _ = transition(process, Stop(), NOW)

    assert transition(process, Exited(-6), NOW)[0].state is State.STOPPED


def test_why_it_is_not_running_is_remembered() -> None:
    assert transition(Process(State.RUNNING), Exited(os.EX_CONFIG), NOW)[0].reason == "not configured"
    assert transition(Process(State.STARTING), SpawnFailed("no such file"), NOW)[0].reason == "no such file"
    assert transition(Process(State.RUNNING, failures=1), Exited(-9), 0)[0].reason == "signal 9 (SIGKILL)"


@pytest.mark.parametrize(
    ("restart", "code", "then"),
    [
        (RestartPolicy.ALWAYS, 0, State.STARTING),
        (RestartPolicy.ALWAYS, 1, State.STARTING),
        (RestartPolicy.ON_FAILURE, 0, State.EXITED),
        (RestartPolicy.ON_FAILURE, 1, State.STARTING),
        (RestartPolicy.NEVER, 0, State.EXITED),
        (RestartPolicy.NEVER, 1, State.EXITED),
    ],
)
def test_which_ends_are_repaired(restart: RestartPolicy, code: int, then: State) -> None:
    assert transition(Process(State.RUNNING), Exited(code), NOW, ProcessPolicy(restart))[0].state is then


def test_a_worker_without_heartbeats_runs_once_it_has_stayed_up() -> None:
    policy = ProcessPolicy(ready_after=2)
    process, _ = transition(Process(), Start(), NOW, policy)

    assert transition(process, Tick(), NOW + 1.9, policy)[0].state is State.STARTING
    process, actions = transition(process, Tick(), NOW + 2, policy)

    assert (process.state, process.due, actions) == (State.RUNNING, None, ())


def test_a_hung_worker_says_where_it_hangs_and_is_killed_and_replaced_as_after_any_death() -> None:
    process, actions = transition(Process(State.RUNNING), Hung("silent"), NOW)
    assert actions == (Action.DUMP,)

    process, actions = transition(process, Tick(), NOW + DUMP_SECONDS)
    assert actions == (Action.KILL,)
    process, actions = transition(process, Exited(-9), NOW + DUMP_SECONDS)

    assert (process.state, process.failures, process.restarts, actions) == (State.STARTING, 1, 1, (Action.SPAWN,))


def test_a_worker_that_grew_too_large_is_replaced_even_if_it_ends_well() -> None:
    policy = ProcessPolicy(RestartPolicy.ON_FAILURE)
    process, _ = transition(Process(State.RUNNING), MemoryExceeded("big"), NOW, policy)

    assert transition(process, Exited(0), NOW, policy)[0].state is State.STARTING


def test_the_longest_pause_is_the_workers_own() -> None:
    crashed = Process(State.RUNNING, failures=1000)

    assert transition(crashed, CRASH, NOW, ProcessPolicy(backoff_max=300))[0].due == NOW + 300


def test_a_start_that_fails_for_a_passing_reason_is_tried_again() -> None:
    process, _ = transition(Process(), Start(), NOW)
    process, actions = transition(process, SpawnFailed("too many open files", is_temporary=True), NOW)

    assert (process.state, process.due, actions) == (State.BACKOFF, NOW + 0.5, ())


EVENTS = st.one_of(
    st.just(Start()),
    st.just(Ready()),
    st.builds(SpawnFailed, st.just("no such file"), st.booleans(), st.floats(0, 1)),
    st.builds(Exited, st.sampled_from([0, 1, -9, os.EX_CONFIG]), st.floats(0, 1)),
    st.just(Hung("silent")),
    st.just(MemoryExceeded("big")),
    st.just(Stop()),
    st.just(Tick()),
)


@given(
    st.lists(st.tuples(EVENTS, st.floats(0, 100)), max_size=40),
    st.sampled_from(list(RestartPolicy)),
    st.sampled_from([None, 1.0]),
)
def test_after_any_events_there_is_at_most_one_process(
    history: list[tuple[Event, float]], restart: RestartPolicy, ready_after: float | None
) -> None:
    policy, process, now, alive = ProcessPolicy(restart, ready_after), Process(), NOW, False
    for event, later in history:
        now += later
        if isinstance(event, Exited | SpawnFailed):
            if not alive or (isinstance(event, SpawnFailed) and process.state is not State.STARTING):
                continue
            alive = False
        process, actions = transition(process, event, now, policy)
        for action in actions:
            if action is Action.SPAWN:
                assert not alive, "a second process"
                alive = True
            else:
                assert alive, "a signal for nobody"
        assert alive == (process.state in (State.STARTING, State.RUNNING, State.STOPPING))
        # No wait is endless: a process that must be killed or started again has a time for that.
        assert process.due is not None or process.state is not State.BACKOFF
        assert alive or not process.will_replace
