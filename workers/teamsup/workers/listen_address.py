"""Addresses to listen on, and the names by which requests reach them. Pure, except listening_hosts."""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class ListenAddress:
    """The host and port to listen on."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback


def parse_address(listen: str, *, is_port_free: bool = False) -> ListenAddress:
    """Return the address of "127.0.0.1:9095", "[::1]:9095" or "localhost:9095". Raise ValueError.

    With ``is_port_free`` the port may be 0, which means any free port.
    """
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        if host != "localhost":
            ipaddress.ip_address(host)
        if not (port.isascii() and port.isdigit() and (0 if is_port_free else 1) <= int(port) <= 65535):
            raise ValueError
    except ValueError:
        raise ValueError(f'listen must be an address and a port such as "127.0.0.1:9095", not {listen!r}') from None
    return ListenAddress(host, int(port))


def listening_hosts(host: str) -> list[str]:
    """Return the addresses to bind. For "localhost" and "::", this includes IPv4 and, if this machine has it, IPv6."""
    pairs = {"localhost": ["127.0.0.1", "::1"], "::": ["0.0.0.0", "::"]}  # noqa: S104 - only where a person asks for it
    hosts = pairs.get(host, [host])
    return hosts if _has_ipv6() else hosts[:1]


def _has_ipv6() -> bool:
    """Return whether an address of IPv6 can be bound here."""
    if not socket.has_ipv6:
        return False
    try:
        with socket.socket(socket.AF_INET6) as tried:
            tried.bind(("::1", 0))
    except OSError:
        return False
    return True


def host_name_of(host: str) -> str:
    """Return the name in a Host header, without its port."""
    try:
        name = urlsplit(f"//{host.strip()}").hostname or ""
    except ValueError:
        return ""
    return normalize_address(name) or name.rstrip(".")


def check_network(text: str) -> None:
    """Raise ValueError for a text that is neither an address nor a network."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f'trusted_proxies must be addresses or networks such as "10.0.0.0/8", not {text!r}') from None


def normalize_address(text: str) -> str:
    """Return an address in its canonical form, or an empty text if it is not an address."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
