"""What the supervisor keeps in order as a member of the hub."""

import socket
from collections.abc import Callable
from unittest.mock import Mock

import pytest

from teamsup.hub import MessageHub
from teamsup.supervisor.configuration.roles import Roles
from teamsup.supervisor.health.troubles import Troubles
from teamsup.supervisor.hosts.hub_member import HubMember


@pytest.mark.parametrize("answers", [True, False])
def test_each_host_removes_the_doorbells_of_its_killed_processes(
    join: Callable[..., MessageHub], answers: bool
) -> None:
    hub = join("supervisor")
    dead = hub.team.run / "session-7@1.0"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as abandoned:
        abandoned.bind(str(dead))
    roles = Mock(Roles, **{"holds.return_value": answers})

    HubMember(hub, roles, Mock(), Mock(Troubles), print).prune(3600)

    assert not dead.exists()
