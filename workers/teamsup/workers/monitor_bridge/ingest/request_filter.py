"""Refuse requests of browsers or attackers before their secret is checked. Pure."""

from collections.abc import Collection, Mapping

from ...listen_address import host_name_of

_BROWSER_HEADERS = ("Origin", "Sec-Fetch-Site", "Referer")


def check_request(headers: Mapping[str, str], hosts: Collection[str]) -> tuple[int, str] | None:
    """Return the status and the sentence of a refusal, or None if the request is allowed. ``hosts`` are the allowed
    names of this server.
    """
    if any(name in headers for name in _BROWSER_HEADERS):
        return 403, "A browser is not a source: any page could have sent this request."
    if host_name_of(headers.get("Host", "")) not in hosts:
        return 421, "This Host is not a name of this server. Add the name to hosts in [monitor-bridge]."
    # Check all headers, because a second header of this name counts as well.
    if any(name.lower() == "content-encoding" and value.lower() != "identity" for name, value in headers.items()):
        return 415, "Send the payload without a Content-Encoding."
    return None
