"""Google Cloud Monitoring: its webhook notification channel, version 1.2, and its test."""

from ...incidents.alert import Alert
from .payload import (
    JsonObject,
    as_object,
    make_fingerprint,
    parse_severity,
    sanitize_labels,
    sanitize_line,
    subject_of,
)
from .webhook import Alerts, WebhookRequest


def parse(request: WebhookRequest) -> Alerts:
    """What an incident says. Raises BadPayload."""
    payload = as_object(request.body)
    incident = payload.object_at("incident")
    is_firing = incident.raw_text("state").strip().lower() != "closed"  # in capitals in the test
    marks = _labels_of(incident)
    return (
        Alert(
            request.source,
            make_fingerprint(incident.required_text("incident_id")),
            is_firing,
            _title_of(incident),
            parse_severity(incident.raw_text("severity")),
            _text_of(incident),
            subject=subject_of(marks | {"policy": "", "metric": incident.object_at("metric").raw_text("type")}),
            labels=marks,
            link=incident.link("url"),
            occurred_at=incident.time("started_at" if is_firing else "ended_at"),
            is_test=payload.raw_text("version") == "test",
        ),
    )


def _title_of(incident: JsonObject) -> str:
    policy, condition = incident.line("policy_name"), incident.line("condition_name")
    return sanitize_line(": ".join(part for part in (policy, condition) if part) or "A Google Cloud incident")


def _text_of(incident: JsonObject) -> str:
    # In the test it is a plain text.
    written = incident.object_at("documentation").text("content") or incident.text("documentation")
    return "\n".join(part for part in (incident.text("summary"), written) if part)


def _labels_of(incident: JsonObject) -> dict[str, str]:
    resource = incident.object_at("resource")
    return sanitize_labels(
        {
            "project": incident.raw_text("scoping_project_id"),
            "policy": incident.raw_text("policy_name"),
            "resource_type": resource.raw_text("type"),
            "resource": incident.raw_text("resource_display_name"),
        }
        | incident.object_at("metric").labels("labels")
        | resource.labels("labels")
        | incident.object_at("metadata").labels("user_labels")
        | incident.labels("policy_user_labels")
    )
