"""What the answers of a program mean for its lifecycle."""

import pytest

from teamsup.config.sections import CheckSection
from teamsup.status.process_state import State
from teamsup.supervisor.configuration.program import Program
from teamsup.supervisor.health.program_checks import CheckSeries, choose_pause, judge, present_check
from teamsup.supervisor.processes import lifecycle

CHECK = CheckSection(tcp="8080", failures=3)
STARTING = CheckSeries("tag", State.STARTING, 100.0, 100.0)
RUNNING = CheckSeries("tag", State.RUNNING, 100.0, 110.0)


def test_ready_is_asked_at_the_start_and_alive_later() -> None:
    program = Program("worker", ("run",), ready=CHECK, alive=CheckSection(tcp="9"))

    assert present_check(program, State.STARTING) is program.ready
    assert present_check(program, State.RUNNING) is program.alive
    assert present_check(program, State.STOPPING) is None


def test_the_processor_wakes_up_less_often_while_no_program_has_a_check() -> None:
    unchecked, checked = Program("hub", ("run",)), Program("web", ("run",), alive=CHECK)

    assert choose_pause([unchecked]) > choose_pause([unchecked, checked])


def test_a_program_runs_once_it_is_ready() -> None:
    after, event = judge(STARTING, "refused", CHECK, 60, 101.0)
    assert (after.failures, after.next_at, event) == (1, 101.5, None)

    assert judge(after, "", CHECK, 60, 102.0)[1] == lifecycle.Ready()


def test_a_program_that_is_not_ready_in_time_is_replaced() -> None:
    assert judge(STARTING, "refused", CHECK, 60, 159.0)[1] is None
    assert judge(STARTING, "refused", CHECK, 60, 160.0)[1] == lifecycle.CheckFailed("not ready after 60 s: refused")


def test_only_failures_in_a_row_replace_a_program() -> None:
    series = RUNNING
    for failure in ("refused", "refused", "", "refused", "refused"):
        series, event = judge(series, failure, CHECK, 60, 120.0)
        assert event is None
    assert series.next_at == 130.0

    event = judge(series, "refused", CHECK, 60, 130.0)[1]

    assert event == lifecycle.CheckFailed("not alive, 3 times in a row: refused")


@pytest.mark.parametrize("state", [State.STARTING, State.RUNNING])
def test_a_failed_check_asks_the_program_to_end_and_counts_as_a_crash(state: State) -> None:
    process, actions = lifecycle.transition(lifecycle.Process(state), lifecycle.CheckFailed("not alive"), 5.0)

    assert (process.state, process.will_replace, process.reason) == (State.STOPPING, True, "not alive")
    assert actions == (lifecycle.Action.TERMINATE,)
