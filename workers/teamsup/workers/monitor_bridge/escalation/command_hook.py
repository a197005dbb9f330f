"""What the command of last resort is given for incidents. Pure."""

from collections.abc import Sequence

from teamsup.terminal.command_hook import to_bounded_line

from ..incidents.incident import Incident, worst_severity


def command_environment(incidents: Sequence[Incident]) -> dict[str, str]:
    """What the command is given besides the text: of others' words only those that fit on a line."""
    first = incidents[0]
    return {
        "TEAMSUP_INCIDENT": str(first.group_id),
        "TEAMSUP_COUNT": str(len(incidents)),
        "TEAMSUP_SOURCE": first.source,
        "TEAMSUP_SEVERITY": worst_severity(each.severity for each in incidents),
        "TEAMSUP_TITLE": to_bounded_line(first.title),
        "TEAMSUP_LINK": to_bounded_line(first.link),
    }
