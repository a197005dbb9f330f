"""Refuse what another page, or another name for this address, has made a browser send. Pure."""

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from ...listen_address import host_name_of

SAFE_METHODS = ("GET", "HEAD")


def check_host(headers: Mapping[str, str], hosts: Collection[str]) -> str:
    """Return why a request is refused; empty: it names us. ``hosts`` are our names.

    A page on a name that its owner points at this address (DNS rebinding) sends that name.
    """
    if host_name_of(headers.get("Host", "")) in hosts:
        return ""
    return "This address is not one of ours. Add its name to trusted_hosts in [web] of teamsup.toml."


def check_origin(method: str, headers: Mapping[str, str]) -> str:
    """Return why a request that changes something is refused; empty: a page of ours has sent it."""
    if method in SAFE_METHODS:
        return ""
    origin = headers.get("Origin")
    if origin is None:
        is_ours = headers.get("Sec-Fetch-Site", "") == "same-origin"
    else:
        is_ours = _is_same_server(origin, headers.get("Host", ""))
    return "" if is_ours else "Another page has sent this form, so nothing was changed."


def is_local_path(path: str) -> bool:
    """Return whether a redirect to it stays with us: "//host" and "/\\host" name other servers."""
    return path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()


def _is_same_server(origin: str, host: str) -> bool:
    """Compare without the scheme, because a proxy may speak TLS for us."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    ports = {"http": ":80", "https": ":443"}
    if parts.scheme not in ports or not host:
        return False
    port = ports[parts.scheme]
    return parts.netloc.lower().removesuffix(port) == host.strip().lower().removesuffix(port)
