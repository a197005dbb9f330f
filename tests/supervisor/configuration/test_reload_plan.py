"""What a changed configuration asks for."""

from dataclasses import replace

from teamsup.supervisor.configuration.process_policy import ProcessPolicy
from teamsup.supervisor.configuration.program import Program
from teamsup.supervisor.configuration.reload_plan import ReloadPlan, plan_reload

ONE, TWO = Program("one", ("one",)), Program("two", ("two",))
OLD = {"one": ONE, "two": TWO}
BOTH = {"one", "two"}
OTHER = replace(TWO, command=("other",))


def test_nothing_has_changed() -> None:
    plan = plan_reload(OLD, dict(OLD), BOTH, ())

    assert plan == ReloadPlan()
    assert str(plan) == "nothing has changed"


def test_only_what_has_changed_is_restarted() -> None:
    plan = plan_reload(OLD, {"one": ONE, "two": OTHER}, BOTH, ())

    assert plan == ReloadPlan(restart=("two",))
    assert str(plan) == "restart two"


def test_a_new_worker_is_started_and_a_removed_one_is_stopped() -> None:
    plan = plan_reload(OLD, {"one": ONE, "three": Program("three", ("three",))}, BOTH, ())

    assert plan == ReloadPlan(start=("three",), stop=("two",))
    assert str(plan) == "start three; stop two"


def test_a_new_worker_without_autostart_waits() -> None:
    assert plan_reload({}, {"one": replace(ONE, autostart=False)}, (), ()) == ReloadPlan()


def test_a_setting_that_the_process_does_not_get_changes_without_a_restart() -> None:
    patient = replace(TWO, policy=ProcessPolicy(stop_seconds=60), log_files=9)

    plan = plan_reload(OLD, {"one": ONE, "two": patient}, BOTH, ())

    assert plan == ReloadPlan(change=("two",))
    assert str(plan) == "change two"


def test_a_held_worker_is_tried_again() -> None:
    assert plan_reload(OLD, {"one": ONE, "two": OTHER}, (), BOTH) == ReloadPlan(start=("one", "two"))


def test_a_worker_that_a_person_has_stopped_stays_stopped() -> None:
    assert plan_reload(OLD, {"one": ONE, "two": OTHER}, {"one"}, ()) == ReloadPlan(change=("two",))


def test_a_removed_worker_that_comes_back_is_started() -> None:
    assert plan_reload({"one": ONE}, OLD, {"one"}, ()) == ReloadPlan(start=("two",))


def test_a_worker_that_gets_autostart_starts() -> None:
    old = {"one": replace(ONE, autostart=False)}

    assert plan_reload(old, {"one": ONE}, (), ()) == ReloadPlan(start=("one",))
