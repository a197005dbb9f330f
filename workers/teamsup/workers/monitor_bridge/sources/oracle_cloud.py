"""Oracle Cloud: alarms of its Monitoring, sent by its Notifications."""

import re
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from ..alert import Alert
from .fields import MAX_LABELS, MAX_LINK, Table, as_table, key, labels, severity, thing
from .request import BadPayload, News, Request

_ENDED = ("FIRING_TO_OK", "RESET")
_LISTED = 10
_LOOKED_AT = 200
_HOST = re.compile(r"([a-z0-9-]{1,63}\.)+oraclecloud\.com")


def parse(request: Request) -> News:
    """What an alarm says. Raises BadPayload."""
    alarm = as_table(request.body)
    kind = alarm.exact("type").strip().upper()
    details = alarm.tables("alarmMetaData")[:_LISTED]
    streams = [stream for detail in details for stream in detail.tables("dimensions")[:_LOOKED_AT]]
    marks = _labels(details, streams)
    return (
        Alert(
            request.source,
            key(alarm.exact("dedupeKey").strip() or alarm.needed("dedupekey")),
            # A reset says that a metric is not seen any more; what still fires says so by itself.
            kind not in _ENDED or (kind == "RESET" and any(one.exact("status") == "FIRING" for one in details)),
            alarm.line("title") or "An Oracle Cloud alarm",
            severity(alarm.exact("severity"), *(one.exact("severity") for one in details)),
            _text(alarm, details, streams),
            thing=thing(marks | {"alarm": "", "query": marks.get("query", "").partition("[")[0]}),
            labels=marks,
            link=next((link for one in details if (link := one.link("alarmUrl"))), ""),
            at=_time(alarm),
            key_returns=True,
        ),
    )


def confirmation(request: Request) -> str | None:
    """The address to be asked for once when somebody subscribes us; None for anything else. Raises BadPayload.

    Only an address at Oracle's: whoever else sends this wants us to ask for something.
    """
    if request.headers.get("x-oci-ns-messagetype", "").lower() != "subscriptionconfirmation":
        return None
    address = request.headers.get("x-oci-ns-confirmationurl", "")
    try:
        parts = urlsplit(address)
        fits = parts.scheme == "https" and parts.port in (None, 443) and parts.username is None
        host = parts.hostname or ""
    except ValueError:
        fits, host = False, ""
    plain = address.isascii() and address.isprintable() and " " not in address and "\\" not in address
    if not (fits and plain and len(address) <= MAX_LINK and _HOST.fullmatch(host)):
        raise BadPayload("The address for confirming the subscription is not one of https://….oraclecloud.com.")
    return address


def _labels(details: Sequence[Table], streams: Sequence[Table]) -> dict[str, str]:
    """The alarm's own, and what all metric streams share."""
    candidates = list(streams[0].entries)[:MAX_LABELS] if streams else []
    names = [name for name in candidates if len({one.exact(name) for one in streams}) == 1]
    first = details[0] if details else Table("alarmMetaData", {})
    own = {"alarm": first.exact("id"), "namespace": first.exact("namespace"), "query": first.exact("query")}
    return labels(own | {name: streams[0].exact(name) for name in names})


def _text(alarm: Table, details: Sequence[Table], streams: Sequence[Table]) -> str:
    names = [stream.line("resourceDisplayName", 100) or stream.line("resourceId", 100) for stream in streams]
    names = [name for name in names if name]
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    parts = (
        alarm.text("body"),
        *(one.text("alarmSummary", 1000) for one in details),
        f"Resources: {', '.join(names[:_LISTED])}{more}" if names else "",
    )
    return "\n".join(part for part in parts if part)


def _time(alarm: Table) -> datetime | None:
    return alarm.moment("timestamp")
