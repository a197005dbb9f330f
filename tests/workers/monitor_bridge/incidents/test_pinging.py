"""Whom a page pings: by severity, quiet hours and rota. If nobody is pinged, the page says so."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from helpers.incident_harness import FIRING, IncidentHarness, Join
from teamsup.workers.monitor_bridge.incidents.pinging import Pinging, PingPlan, render_shifts
from teamsup.workers.monitor_bridge.sections import PersonSection, RotaSection

ANN = PersonSection(1, quiet_hours="22:00-07:00", timezone="UTC")
BEN = PersonSection(2)
EVA = PersonSection(3, ping=("critical",))
ROTA = RotaSection(("ann", "ben"), "2026-11-30 09:00", 7, "UTC")
NIGHT, DAY = "2026-12-01 03:00:00", "2026-12-01 12:00:00"
MORNING = "2026-12-01 07:00:00"


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("plan", "severity", "at", "users"),
    [
        (PingPlan((42,)), "critical", DAY, (42,)),
        (PingPlan((42,)), "info", DAY, ()),
        (PingPlan(people={"ben": BEN, "eva": EVA}), "critical", DAY, (2, 3)),
        (PingPlan(people={"ben": BEN, "eva": EVA}), "warning", DAY, (2,)),
        (PingPlan(people={"ann": ANN, "ben": BEN}), "warning", NIGHT, (2,)),
        # In quiet hours only what is critical pings.
        (PingPlan(people={"ann": ANN, "ben": BEN}), "critical", NIGHT, (1, 2)),
        (PingPlan(people={"ann": replace(ANN, quiet_ping=())}, mention=(42,)), "critical", NIGHT, (42,)),
        # Only the person on call in a rota is pinged. People outside of rotas are pinged too.
        (PingPlan(people={"ann": ANN, "ben": BEN, "eva": EVA}, rotas={"ops": ROTA}), "critical", DAY, (1, 3)),
        (PingPlan(people={"ann": ANN, "ben": BEN}, rotas={"ops": ROTA}), "warning", "2026-12-08 12:00:00", (2,)),
        (PingPlan((1,), people={"ann": ANN}), "critical", DAY, (1,)),
    ],
)
def test_a_page_pings_whom_the_plan_names(plan: PingPlan, severity: str, at: str, users: tuple[int, ...]) -> None:
    assert plan.choose(severity, seconds(at)) == Pinging(users)


@pytest.mark.parametrize(
    ("plan", "severity", "at", "note", "retry_at"),
    [
        (
            PingPlan(people={"ann": ANN}),
            "warning",
            NIGHT,
            "Nobody is pinged. ann has quiet hours until 2026-12-01 07:00:00 UTC.",
            MORNING,
        ),
        (
            PingPlan(people={"ann": ANN, "ben": BEN}, rotas={"ops": ROTA}),
            "warning",
            NIGHT,
            "Nobody is pinged. ann has quiet hours until 2026-12-01 07:00:00 UTC. ben is not on call.",
            MORNING,
        ),
        (PingPlan(people={"eva": EVA}), "warning", DAY, "Nobody is pinged. eva is not pinged for warning.", None),
        (
            PingPlan(rotas={"ops": RotaSection((), "2026-11-30 09:00")}),
            "critical",
            DAY,
            "Nobody is pinged. [rota.ops] has no people: nobody is on call.",
            None,
        ),
        (
            PingPlan(people={"ben": BEN}, rotas={"ops": RotaSection(("ben",), "2026-12-07 09:00", 7, "UTC")}),
            "critical",
            DAY,
            "Nobody is pinged. [rota.ops] begins at 2026-12-07 09:00:00 UTC: nobody is on call. ben is not on call.",
            "2026-12-07 09:00:00",
        ),
    ],
)
def test_if_nobody_is_pinged_the_page_says_why(
    plan: PingPlan, severity: str, at: str, note: str, retry_at: str | None
) -> None:
    found = plan.choose(severity, seconds(at))
    assert (found.users, found.note) == ((), note)
    assert found.retry_at == (None if retry_at is None else seconds(retry_at))


def test_an_empty_rota_is_said_also_if_others_are_pinged() -> None:
    plan = PingPlan((42,), rotas={"ops": RotaSection((), "2026-11-30 09:00")})
    assert plan.choose("critical", 0) == Pinging((42,), "[rota.ops] has no people: nobody is on call.")


def test_for_info_nobody_expects_a_ping() -> None:
    assert PingPlan(people={"ben": BEN}).choose("info", 0) == Pinging(())
    assert PingPlan(people={"ben": PersonSection(2, ping=("info",))}).choose("info", 0) == Pinging((2,))


def test_people_see_who_is_on_call() -> None:
    plan = PingPlan(people={"ann": ANN, "ben": BEN}, rotas={"ops": ROTA})
    assert render_shifts(plan.shifts(seconds(DAY))) == ["ops: ann is on call until 2026-12-07 09:00:00 UTC, then ben."]
    assert render_shifts({}) == ["There is no [rota.NAME] in teamsup.toml."]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"discord": 1, "quiet_hours": "night"}, "quiet_hours must be two times"),
        ({"discord": 1, "timezone": "Berlin"}, "'Berlin' is not known"),
    ],
)
def test_a_section_with_a_mistake_is_refused(settings: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        PersonSection(**settings)  # type: ignore[arg-type]


def test_after_quiet_hours_people_are_pinged_of_what_still_fires(join: Join) -> None:
    harness = IncidentHarness(join, here=(), ping=PingPlan(people={"ann": ANN}))
    harness.advance(seconds("2033-12-01 03:00:00") - harness.now)
    for name in ("alert-manager", "lead"):
        harness.leave(name)
    harness.ingest(FIRING)
    (page,) = harness.read("user_comm")
    assert "Nobody is pinged. ann has quiet hours until 2033-12-01 07:00:00 UTC." in page.content
    assert page.metadata["ping"] == []

    assert harness.advance(60).next_due == seconds("2033-12-01 07:00:00")
    harness.advance(4 * 3600 - 60)
    (again,) = harness.read("user_comm")
    assert again.content.startswith("Nobody was pinged about this before. Incident 1, warning, from prom:")
    assert again.metadata["ping"] == ["1"]
    assert harness.advance(86400).next_due is None
    assert harness.read("user_comm") == []


@pytest.mark.parametrize("end", ["ack", "mute"])
def test_after_quiet_hours_nobody_is_pinged_of_what_somebody_has(join: Join, end: str) -> None:
    harness = IncidentHarness(join, here=(), ping=PingPlan(people={"ann": ANN}))
    harness.advance(seconds("2033-12-01 03:00:00") - harness.now)
    harness.ingest(FIRING)
    if end == "ack":
        harness.acknowledgements.acknowledge(["all"], "ben")
    else:
        harness.mute("1 1d")
    harness.read("user_comm")
    harness.advance(5 * 3600)
    assert harness.read("user_comm") == []
