"""What a changed configuration asks for."""

from dataclasses import replace

from teamsup.supervisor.configuration import Program
from teamsup.supervisor.lifecycle import State
from teamsup.supervisor.plan import Plan, make_plan

ONE, TWO = Program("one", ("one",)), Program("two", ("two",))
OLD = {"one": ONE, "two": TWO}
RUNNING = {"one": State.RUNNING, "two": State.RUNNING}
OTHER = replace(TWO, command=("other",))


def test_nothing_has_changed() -> None:
    plan = make_plan(OLD, dict(OLD), RUNNING)

    assert plan == Plan()
    assert str(plan) == "nothing has changed"


def test_only_what_has_changed_is_restarted() -> None:
    plan = make_plan(OLD, {"one": ONE, "two": OTHER}, RUNNING)

    assert plan == Plan(restart=("two",))
    assert str(plan) == "restart two"


def test_what_is_new_is_started_and_what_is_gone_is_stopped() -> None:
    plan = make_plan(OLD, {"one": ONE, "three": Program("three", ("three",))}, RUNNING)

    assert plan == Plan(start=("three",), stop=("two",))
    assert str(plan) == "start three; stop two"


def test_what_is_new_but_not_to_start_by_itself_waits() -> None:
    assert make_plan({}, {"one": replace(ONE, autostart=False)}, {}) == Plan()


def test_what_is_held_is_tried_again() -> None:
    states = {"one": State.EXITED, "two": State.FATAL}

    assert make_plan(OLD, {"one": ONE, "two": OTHER}, states) == Plan(start=("one", "two"))


def test_what_a_person_has_stopped_stays_so() -> None:
    states = {"one": State.RUNNING, "two": State.STOPPED}

    assert make_plan(OLD, {"one": ONE, "two": OTHER}, states) == Plan(change=("two",))


def test_what_waits_for_its_next_try_is_restarted_with_what_is_new() -> None:
    assert make_plan(OLD, {"one": ONE, "two": OTHER}, {**RUNNING, "two": State.BACKOFF}) == Plan(restart=("two",))


def test_what_may_now_start_by_itself_does() -> None:
    old = {"one": replace(ONE, autostart=False)}

    assert make_plan(old, {"one": ONE}, {"one": State.STOPPED}) == Plan(start=("one",))
