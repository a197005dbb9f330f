"""What a changed configuration asks for."""

from dataclasses import replace

from teamsup.supervisor.configuration import Program
from teamsup.supervisor.lifecycle import Policy
from teamsup.supervisor.plan import Plan, make_plan

ONE, TWO = Program("one", ("one",)), Program("two", ("two",))
OLD = {"one": ONE, "two": TWO}
BOTH = {"one", "two"}
OTHER = replace(TWO, command=("other",))


def test_nothing_has_changed() -> None:
    plan = make_plan(OLD, dict(OLD), BOTH, ())

    assert plan == Plan()
    assert str(plan) == "nothing has changed"


def test_only_what_has_changed_is_restarted() -> None:
    plan = make_plan(OLD, {"one": ONE, "two": OTHER}, BOTH, ())

    assert plan == Plan(restart=("two",))
    assert str(plan) == "restart two"


def test_what_is_new_is_started_and_what_is_gone_is_stopped() -> None:
    plan = make_plan(OLD, {"one": ONE, "three": Program("three", ("three",))}, BOTH, ())

    assert plan == Plan(start=("three",), stop=("two",))
    assert str(plan) == "start three; stop two"


def test_what_is_new_but_not_to_start_by_itself_waits() -> None:
    assert make_plan({}, {"one": replace(ONE, autostart=False)}, (), ()) == Plan()


def test_what_its_process_is_not_given_changes_without_another_one() -> None:
    patient = replace(TWO, policy=Policy(stop_seconds=60), log_files=9)

    plan = make_plan(OLD, {"one": ONE, "two": patient}, BOTH, ())

    assert plan == Plan(change=("two",))
    assert str(plan) == "change two"


def test_what_is_held_is_tried_again() -> None:
    assert make_plan(OLD, {"one": ONE, "two": OTHER}, (), BOTH) == Plan(start=("one", "two"))


def test_what_a_person_has_stopped_stays_so() -> None:
    assert make_plan(OLD, {"one": ONE, "two": OTHER}, {"one"}, ()) == Plan(change=("two",))


def test_what_was_removed_and_comes_back_is_started() -> None:
    assert make_plan({"one": ONE}, OLD, {"one"}, ()) == Plan(start=("two",))


def test_what_may_now_start_by_itself_does() -> None:
    old = {"one": replace(ONE, autostart=False)}

    assert make_plan(old, {"one": ONE}, (), ()) == Plan(start=("one",))
