"""Which agents an alert goes to."""

from teamsup.hub.sections import AlertRouteSection, MonitorSection
from teamsup.workers.monitor_bridge.alert import Alert
from teamsup.workers.monitor_bridge.routes import Routes

EVERYBODY = ("gcp-monitor", "oci-monitor", "alert-manager", "lead")
KINDS = {"cloud": "google_cloud", "oracle": "oracle_cloud", "prom": "alertmanager"}


def agents(routes: Routes, source: str, known: tuple[str, ...] = EVERYBODY, **labels: str) -> tuple[str, ...]:
    return routes.way(Alert(source, "k", True, "t", labels=labels), known).agents


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
    assert routes.way(Alert("prom", "k", True, "t"), ()).act_seconds == 30
    assert routes.way(Alert("other", "k", True, "t", "critical"), EVERYBODY).agents == ()
    assert agents(routes, "other") == ("alert-manager",)


def test_nobody_is_told_that_they_themselves_do_not_listen() -> None:
    routes = Routes(MonitorSection(recipient="lead"))
    assert agents(routes, "team", agent="alert-manager") == ("lead",)


def test_monitor_bridge_is_not_told_by_itself() -> None:
    routes = Routes(MonitorSection(recipient="monitor-bridge"), {"all": AlertRouteSection(("Monitor-Bridge", "lead"))})
    assert agents(routes, "prom") == ("lead",)
    assert agents(Routes(MonitorSection(recipient="monitor-bridge")), "prom", known=()) == ()
