"""Refuse requests that come from a foreign page, or through a foreign name for this address. Pure."""

import ipaddress
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import urlsplit

from ...listen_address import host_name_of, normalize_address

SAFE_METHODS = ("GET", "HEAD")


def check_host(headers: Mapping[str, str], hosts: Collection[str]) -> str:
    """Return why a request is refused, or an empty text if its Host is one of ``hosts``.

    With DNS rebinding, an attacker lets a foreign name point at this address. A page of the attacker then sends the
    foreign name.
    """
    if host_name_of(headers.get("Host", "")) in hosts:
        return ""
    return "This address is not a name of this server. Add its name to trusted_hosts in [web] of teamsup.toml."


def check_origin(method: str, headers: Mapping[str, str]) -> str:
    """Return why a request that changes something is refused, or an empty text if a page of this server has sent it."""
    if method in SAFE_METHODS:
        return ""
    origin = headers.get("Origin")
    if origin is None:
        is_ours = headers.get("Sec-Fetch-Site", "") == "same-origin"
    else:
        is_ours = _is_same_server(origin, headers.get("Host", ""))
    return "" if is_ours else "Another page has sent this form, so nothing was changed."


def find_client(remote: str, forwarded: Iterable[str], proxies: Collection[str]) -> str:
    """Return the address of the browser. ``forwarded`` contains the values of X-Forwarded-For, which only trusted
    proxies may set. The last address that is not a trusted proxy is the browser's.
    """
    networks = [ipaddress.ip_network(each, strict=False) for each in proxies]
    address = remote
    for each in reversed([part.strip() for value in forwarded for part in value.split(",")]):
        known = normalize_address(address)
        if not known or not any(ipaddress.ip_address(known) in network for network in networks):
            break
        address = normalize_address(each) or remote
    return address


def is_local_path(path: str) -> bool:
    """Return whether a redirect to this path stays on this server: "//host" and "/\\host" name other servers."""
    return path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()


def _is_same_server(origin: str, host: str) -> bool:
    """Return whether the two addresses have the same host. Ignore the scheme, because a proxy may use TLS in front of
    this server.
    """
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    ports = {"http": ":80", "https": ":443"}
    if parts.scheme not in ports or not host:
        return False
    port = ports[parts.scheme]
    return parts.netloc.lower().removesuffix(port) == host.strip().lower().removesuffix(port)
