"""The address of a team's database on a server: a URL without a password."""

from dataclasses import dataclass
from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from ...errors import NotConfigured

_SECRETS = ("password", "sslpassword")
_ADVICE = (
    "Processes and logs would show it. Remove it from the address, and put it into ~/.pgpass, or into a file (mode "
    "0600) that PGPASSFILE or ?passfile= names."
)


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """The place of the database, for libpq and for people."""

    parameters: dict[str, Any]
    """The parameters with which libpq connects."""

    @property
    def name(self) -> str:
        """The address for people."""
        of = self.parameters
        if "service" in of:
            return f"postgresql service {of['service']}"
        user = f"{of['user']}@" if "user" in of else ""
        hosts = str(of.get("host", "")).split(",")
        ports = str(of.get("port", "")).split(",")
        ports = ports * len(hosts) if len(ports) == 1 else ports
        addresses = ",".join(
            host + (f":{port}" if port else "") for host, port in zip(hosts, ports, strict=False) if host or port
        )
        return f"postgresql://{user}{addresses}/{of.get('dbname', '')}"


def parse_address(url: str) -> ServerAddress:
    """Return the address in a URL. Raise NotConfigured if it has a password, or cannot be parsed."""
    try:
        parameters = conninfo_to_dict(url)
    except (ProgrammingError, UnicodeError):
        # libpq quotes the address in its error, and there may be a password in it.
        raise NotConfigured(
            "The address of the hub is not understood. Write postgresql://USER@HOST/DATABASE."
        ) from None
    if any(parameters.get(name) for name in _SECRETS):
        raise NotConfigured(f"The address of the hub has a password in it. {_ADVICE}")
    return ServerAddress(parameters)
