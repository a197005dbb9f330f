"""Google Cloud Monitoring: its webhook notification channel, version 1.2, and its test."""

from ..alert import Alert
from .fields import Table, as_table, key, labels, one_line, severity, thing
from .request import News, Request


def parse(request: Request) -> News:
    """What an incident says. Raises BadPayload."""
    payload = as_table(request.body)
    incident = payload.table("incident")
    is_firing = incident.exact("state").strip().lower() != "closed"  # in capitals in the test
    marks = _labels(incident)
    return (
        Alert(
            request.source,
            key(incident.needed("incident_id")),
            is_firing,
            _title(incident),
            severity(incident.exact("severity")),
            _text(incident),
            thing=thing(marks | {"policy": "", "metric": incident.table("metric").exact("type")}),
            labels=marks,
            link=incident.link("url"),
            at=incident.moment("started_at" if is_firing else "ended_at"),
            is_test=payload.exact("version") == "test",
        ),
    )


def _title(incident: Table) -> str:
    policy, condition = incident.line("policy_name"), incident.line("condition_name")
    return one_line(": ".join(part for part in (policy, condition) if part) or "A Google Cloud incident")


def _text(incident: Table) -> str:
    # In the test it is a plain text.
    written = incident.table("documentation").text("content") or incident.text("documentation")
    return "\n".join(part for part in (incident.text("summary"), written) if part)


def _labels(incident: Table) -> dict[str, str]:
    resource = incident.table("resource")
    return labels(
        {
            "project": incident.exact("scoping_project_id"),
            "policy": incident.exact("policy_name"),
            "resource_type": resource.exact("type"),
            "resource": incident.exact("resource_display_name"),
        }
        | incident.table("metric").labels("labels")
        | resource.labels("labels")
        | incident.table("metadata").labels("user_labels")
        | incident.labels("policy_user_labels")
    )
