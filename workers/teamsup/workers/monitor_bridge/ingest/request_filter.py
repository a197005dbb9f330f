"""Refuse requests of browsers or attackers before their secret is checked. Pure."""

import ipaddress
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

_BROWSER_HEADERS = ("Origin", "Sec-Fetch-Site", "Referer")


def check_request(headers: Mapping[str, str], hosts: Collection[str]) -> tuple[int, str] | None:
    """Return the status and the sentence of a refusal; None: it is allowed. ``hosts``: our allowed names."""
    if any(name in headers for name in _BROWSER_HEADERS):
        return 403, "A browser is not a source: any page could have sent this request."
    if host_name_of(headers.get("Host", "")) not in hosts:
        return 421, "This Host is not ours. Add the name to hosts in [monitor-bridge]."
    # Check all headers, because a second header of this name counts as well.
    if any(name.lower() == "content-encoding" and value.lower() != "identity" for name, value in headers.items()):
        return 415, "Send the payload without a Content-Encoding."
    return None


def host_name_of(host: str) -> str:
    """Return the name in a Host header, without its port."""
    try:
        name = urlsplit(f"//{host.strip()}").hostname or ""
    except ValueError:
        return ""
    return normalize_address(name) or name.rstrip(".")


def normalize_address(text: str) -> str:
    """Return an address in its canonical form; empty: it is not an address."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
