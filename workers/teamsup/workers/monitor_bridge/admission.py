"""Which requests are refused before their secret is looked at: a browser or an attack may have sent them. Pure."""

import ipaddress
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

_OF_A_BROWSER = ("Origin", "Sec-Fetch-Site", "Referer")


def refusal(headers: Mapping[str, str], hosts: Collection[str]) -> tuple[int, str] | None:
    """The status and the sentence; None: it is let in. ``hosts``: the names by which we may be called."""
    if any(name in headers for name in _OF_A_BROWSER):
        return 403, "A browser is no source: any page could have made it ask."
    if called(headers.get("Host", "")) not in hosts:
        return 421, "We are not called by this Host. Add the name to hosts in [monitor-bridge]."
    # All of them: a second header of this name counts as well.
    if any(name.lower() == "content-encoding" and value.lower() != "identity" for name, value in headers.items()):
        return 415, "Send the payload without a Content-Encoding."
    return None


def called(host: str) -> str:
    """The name in a Host header, without its port."""
    try:
        name = urlsplit(f"//{host.strip()}").hostname or ""
    except ValueError:
        return ""
    return plain_address(name) or name.rstrip(".")


def plain_address(text: str) -> str:
    """An address in the one form for all; empty: it is none."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
