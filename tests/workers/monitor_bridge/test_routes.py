"""Which agents an alert goes to."""

from teamsup.hub.sections import AlertRouteSection, MonitorSection
from teamsup.workers.monitor_bridge.alert import Alert
from teamsup.workers.monitor_bridge.routes import Routes, Way

EVERYBODY = ("gcp-monitor", "oci-monitor", "alert-manager", "lead")
KINDS = {"cloud": "google_cloud", "oracle": "oracle_cloud", "prom": "alertmanager"}


def agents(routes: Routes, source: str, known: tuple[str, ...] = EVERYBODY, **labels: str) -> tuple[str, ...]:
    return way(routes, Alert(source, "k", True, "t", labels=labels), known).agents


def way(routes: Routes, alert: Alert, known: tuple[str, ...] = EVERYBODY) -> Way:
    (found,) = routes.routed([alert])
    assert isinstance(found, Alert)
    return routes.way(found, known)


def test_without_routes_an_alert_goes_to_the_agents_for_such_a_source_that_the_team_knows() -> None:
    routes = Routes(MonitorSection(), kinds=KINDS)
    assert agents(routes, "cloud") == ("gcp-monitor", "alert-manager")
    assert agents(routes, "oracle") == ("oci-monitor", "alert-manager")
    assert agents(routes, "prom") == ("alert-manager",)
    assert agents(routes, "cloud", known=("lead",)) == ()


def test_the_recipient_comes_after_them() -> None:
    routes = Routes(MonitorSection(recipient="Lead"), kinds=KINDS)
    assert agents(routes, "prom") == ("alert-manager", "lead")
    assert agents(routes, "host", known=()) == ("lead",)


def test_the_first_route_that_fits_counts() -> None:
    routes = Routes(
        MonitorSection(),
        {
            "shop": AlertRouteSection(agents=("shop",), match={"service": "shop|cart"}),
            "prom": AlertRouteSection(agents=("prom", "lead"), source="prom", act_seconds=30),
            "worst": AlertRouteSection(severity=("critical",)),
        },
    )
    assert agents(routes, "prom", service="cart") == ("shop",)
    assert agents(routes, "prom", service="shopping") == ("prom", "lead")
    assert way(routes, Alert("prom", "k", True, "t")).act_seconds == 30
    assert way(routes, Alert("other", "k", True, "t", "critical")).agents == ()
    assert agents(routes, "other") == ("alert-manager",)


def test_nobody_is_told_that_they_themselves_do_not_listen() -> None:
    routes = Routes(MonitorSection(recipient="lead"))
    assert agents(routes, "team", agent="alert-manager") == ("lead",)


def test_monitor_bridge_is_not_told_by_itself() -> None:
    routes = Routes(MonitorSection(recipient="monitor-bridge"), {"all": AlertRouteSection(("Monitor-Bridge", "lead"))})
    assert agents(routes, "prom") == ("lead",)
    assert agents(Routes(MonitorSection(recipient="monitor-bridge")), "prom", known=()) == ()


def test_a_match_that_would_take_years_over_a_label_does_not_fit_and_people_are_told() -> None:
    routes = Routes(
        MonitorSection(),
        {
            "bad": AlertRouteSection(agents=("bad",), match={"pod": "(a|aa)+"}),
            "good": AlertRouteSection(agents=("lead",), match={"pod": "a.*"}),
        },
    )
    alerts = [Alert("prom", f"k{number}", True, "t", labels={"pod": "a" * 40 + "!"}) for number in range(100)]
    assert {each.route for each in routes.routed(alerts) if isinstance(each, Alert)} == {"good"}
    assert routes.trouble.startswith("the match '(a|aa)+' of [alert.NAME] takes too long")
