"""Google Cloud Monitoring: its webhook notification channel, version 1.2, and its test."""

from ..alert import Alert
from .fields import Table, as_table, key, labels, one_line, severity, thing
from .request import BadPayload, News, Request


def parse(request: Request) -> News:
    """What an incident says. Raises BadPayload."""
    payload = as_table(request.body)
    version = payload.exact("version")
    if version != "test" and not version.startswith("1."):
        raise BadPayload(f'version must be "1.2" or another of 1, or "test", not "{one_line(version, 20)}".')
    if "incident" not in payload.entries:
        raise BadPayload("incident is missing.")
    incident = payload.table("incident")
    is_firing = _is_firing(incident)
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
            is_test=version == "test",
        ),
    )


def _is_firing(incident: Table) -> bool:
    state = incident.needed("state").lower()  # in capitals in the test
    if state not in ("open", "closed"):
        raise BadPayload(f'incident.state must be "open" or "closed", not "{one_line(state, 20)}".')
    return state == "open"


def _title(incident: Table) -> str:
    policy, condition = incident.line("policy_name"), incident.line("condition_name")
    return one_line(": ".join(part for part in (policy, condition) if part) or "A Google Cloud incident")


def _text(incident: Table) -> str:
    # In the test it is a plain text.
    if isinstance(incident.entries.get("documentation"), str):
        written = incident.text("documentation")
    else:
        written = incident.table("documentation").text("content")
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
