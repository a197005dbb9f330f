"""What the command of last resort is given for incidents. Pure."""

from collections.abc import Sequence

from teamsup.hub.last_resort import line

from .incident import Incident, worst


def environment(incidents: Sequence[Incident]) -> dict[str, str]:
    """What the command is given besides the text: of others' words only those that fit on a line."""
    first = incidents[0]
    return {
        "TEAMSUP_INCIDENT": str(first.first),
        "TEAMSUP_COUNT": str(len(incidents)),
        "TEAMSUP_SOURCE": first.source,
        "TEAMSUP_SEVERITY": worst(each.severity for each in incidents),
        "TEAMSUP_TITLE": line(first.title),
        "TEAMSUP_LINK": line(first.link),
    }
