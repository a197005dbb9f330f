"""Which agents an alert goes to."""

import pytest

from teamsup.workers.monitor_bridge.incidents.alert import Alert
from teamsup.workers.monitor_bridge.incidents.routes import AlertRoutes, EscalationChain
from teamsup.workers.monitor_bridge.sections import AlertRouteSection, MonitorSection

EVERYBODY = ("gcp-monitor", "oci-monitor", "alert-manager", "lead")
KINDS = {"cloud": "google_cloud", "oracle": "oracle_cloud", "prom": "alertmanager"}


def agents(routes: AlertRoutes, source: str, known: tuple[str, ...] = EVERYBODY, **labels: str) -> tuple[str, ...]:
    return way(routes, Alert(source, "k", True, "t", labels=labels), known).agents


def way(routes: AlertRoutes, alert: Alert, known: tuple[str, ...] = EVERYBODY) -> EscalationChain:
    (found,) = routes.with_routes([alert])
    assert isinstance(found, Alert)
    return routes.chain_for(found, known)


def test_without_routes_an_alert_goes_to_the_agents_for_such_a_source_that_the_team_knows() -> None:
    routes = AlertRoutes(MonitorSection(), kinds=KINDS)
    assert agents(routes, "cloud") == ("gcp-monitor", "alert-manager")
    assert agents(routes, "oracle") == ("oci-monitor", "alert-manager")
    assert agents(routes, "prom") == ("alert-manager",)
    assert agents(routes, "cloud", known=("lead",)) == ()


def test_the_recipient_comes_after_them() -> None:
    routes = AlertRoutes(MonitorSection(recipient="Lead"), kinds=KINDS)
    assert agents(routes, "prom") == ("alert-manager", "lead")
    assert agents(routes, "host", known=()) == ("lead",)


def test_the_first_route_that_fits_counts() -> None:
    routes = AlertRoutes(
        MonitorSection(),
        {
            "shop": AlertRouteSection(agents=("shop",), match={"service": "shop|cart"}),
            "prom": AlertRouteSection(agents=("prom", "lead"), source="prom", ack_timeout_seconds=30),
            "worst": AlertRouteSection(severity=("critical",)),
        },
    )
    assert agents(routes, "prom", service="cart") == ("shop",)
    assert agents(routes, "prom", service="shopping") == ("prom", "lead")
    assert way(routes, Alert("prom", "k", True, "t")).ack_timeout_seconds == 30
    assert way(routes, Alert("other", "k", True, "t", "critical")).agents == ()
    assert agents(routes, "other") == ("alert-manager",)


def test_an_agent_gets_no_alert_about_itself() -> None:
    routes = AlertRoutes(MonitorSection(recipient="lead"))
    assert agents(routes, "team", agent="alert-manager") == ("lead",)


def test_monitor_bridge_is_not_notified_by_itself() -> None:
    routes = AlertRoutes(
        MonitorSection(recipient="monitor-bridge"), {"all": AlertRouteSection(("Monitor-Bridge", "lead"))}
    )
    assert agents(routes, "prom") == ("lead",)
    assert agents(AlertRoutes(MonitorSection(recipient="monitor-bridge")), "prom", known=()) == ()


@pytest.mark.slow
def test_a_match_that_would_take_years_over_a_label_does_not_fit_and_people_are_notified() -> None:
    routes = AlertRoutes(
        MonitorSection(),
        {
            "bad": AlertRouteSection(agents=("bad",), match={"pod": "(a|aa)+"}),
            "good": AlertRouteSection(agents=("lead",), match={"pod": "a.*"}),
        },
    )
    alerts = [Alert("prom", f"k{number}", True, "t", labels={"pod": "a" * 40 + "!"}) for number in range(100)]
    assert {each.route for each in routes.with_routes(alerts) if isinstance(each, Alert)} == {"good"}
    assert routes.slow_pattern_note.startswith("the match '(a|aa)+' of [alert_route.NAME] takes too long")
