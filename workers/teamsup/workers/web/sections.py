"""[web]: the address of the page, and the people who may act in it."""

import re
from dataclasses import dataclass
from typing import Annotated

from teamsup.config.keys import Example

from ..listen_address import ListenAddress, check_network, host_name_of, parse_address

_PERSON = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
_HOST = re.compile(r"[a-z0-9_.-]+|\[[0-9a-f:.]+\]")


@dataclass(frozen=True)
class WebSection:
    """[web]: the team in a browser. Each browser, even on this machine, first needs a link from 'teamsup open'."""

    enabled: bool = True
    """Whether the page is served."""
    listen: str = "127.0.0.1:0"
    """The address and the port of the page. Port 0: the first start finds a free port, and the next starts keep it."""
    operators: Annotated[tuple[str, ...], Example('["ann"]')] = ()
    """Other people who may act on the page, by their names in 'teamsup open --as NAME'."""
    trusted_hosts: Annotated[tuple[str, ...], Example('["team.example.com"]')] = ()
    """Names by which browsers may reach the page. Required if other machines can reach it."""
    trusted_proxies: Annotated[tuple[str, ...], Example('["10.0.0.2"]')] = ()
    """Addresses or networks of proxies that set X-Forwarded-For. With them, each browser behind the proxy has its own
    limit of wrong secrets.
    """

    def __post_init__(self) -> None:
        for network in self.trusted_proxies:
            check_network(network)
        address = parse_address(self.listen, is_port_free=True)
        for person in self.operators:
            check_person(person)
        for host in self.trusted_hosts:
            if not _HOST.fullmatch(host):
                raise ValueError(f'trusted_hosts: {host!r} must be a name such as "team.example.com", without a port')
        if not address.is_loopback and not self.trusted_hosts:
            raise ValueError("trusted_hosts must name the hosts of the page, because other machines can reach it")

    @property
    def address(self) -> ListenAddress:
        return parse_address(self.listen, is_port_free=True)

    def base_address(self, port: int) -> str:
        """Return the address at which browsers reach the page on this port."""
        address = self.address
        host = address.host if address.is_loopback else self.trusted_hosts[0]
        return f"http://{f'[{host}]' if ':' in host and host[0] != '[' else host}:{port}"

    @property
    def hosts(self) -> frozenset[str]:
        """The names by which a request may reach the page."""
        names = ("localhost", "127.0.0.1", "::1", self.address.host, *self.trusted_hosts)
        return frozenset(host_name_of(name if name[0] == "[" or ":" not in name else f"[{name}]") for name in names)


def check_person(name: str) -> str:
    """Return the name if a person at the page may have it. Raise ValueError."""
    if not _PERSON.fullmatch(name):
        raise ValueError(f"{name!r} is not a name for a person: use 1 to 40 small letters, digits, '.', '_' or '-'")
    return name
