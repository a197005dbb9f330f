"""Google Cloud Monitoring: its webhook notification channel, version 1.2, and its test."""

from ...incidents.alert import Alert, Alerts
from .payload import as_object, join_lines, parse_severity, subject_of
from .webhook import WebhookRequest


def parse(request: WebhookRequest) -> Alerts:
    """Return the alert of an incident. Raise InvalidPayload."""
    payload = as_object(request.body)
    incident = payload.object_at("incident")
    resource, metric = incident.object_at("resource"), incident.object_at("metric")
    is_firing = incident.word("state") != "closed"  # a test alert has it in capitals
    policy = incident.line("policy_name")
    labels = (
        {
            "project": incident.raw_text("scoping_project_id"),
            "policy": policy,
            "resource_type": resource.raw_text("type"),
            "resource": incident.raw_text("resource_display_name"),
        }
        | metric.labels("labels")
        | resource.labels("labels")
        | incident.object_at("metadata").labels("user_labels")
        | incident.labels("policy_user_labels")
    )
    labels = {name: text for name, text in labels.items() if text}
    # In a test alert the documentation is a text.
    written = incident.object_at("documentation").text("content") or incident.text("documentation")
    return (
        Alert(
            request.source,
            incident.required_text("incident_id"),
            is_firing,
            ": ".join(filter(None, (policy, incident.line("condition_name")))) or "A Google Cloud incident",
            parse_severity(incident.raw_text("severity")),
            join_lines(incident.text("summary"), written),
            subject=subject_of(labels | {"policy": "", "metric": metric.raw_text("type")}),
            labels=labels,
            link=incident.raw_text("url"),
            occurred_at=incident.time("started_at" if is_firing else "ended_at"),
            is_test=payload.raw_text("version") == "test",
        ),
    )
