"""Keep the metrics server on the configured port, or report the trouble that prevents it."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from teamsup.hub import MessageHub
from teamsup.status.state_file import TeamState

from .health.troubles import Troubles

if TYPE_CHECKING:
    from .metrics import MetricsServer

_METRICS = "metrics"


class MetricsEndpoint:
    """The metrics server, if ``port`` is not 0. ``state`` returns the team's state."""

    def __init__(self, hub: MessageHub, troubles: Troubles, state: Callable[[], TeamState]) -> None:
        self._hub = hub
        self._troubles = troubles
        self._state = state
        self.server: MetricsServer | None = None

    def open(self, port: int) -> "MetricsServer | None":
        """Return a server on this port, for replace(). Return None for port 0. Raise OSError."""
        if not port:
            return None
        from .metrics import MetricsServer  # few teams need it, and it takes 1 MiB

        return MetricsServer(port, self._hub, self._state)

    async def replace(self, server: "MetricsServer | None", port: int) -> None:
        """Use this server, or stop serving if it is None. Close the previous server if it was replaced."""
        old, self.server = self.server, server
        if old is not None and old is not server:
            await asyncio.to_thread(old.close)
        if server is not None or not port:
            self._troubles.end(_METRICS)

    async def serve(self, port: int) -> None:
        """Open a server on the port and use it."""
        try:
            await self.replace(self.open(port), port)
        except OSError as error:
            self._troubles.begin(_METRICS, f"No metrics on 127.0.0.1 port {port}: {error.strerror}.")

    async def check(self, port: int) -> None:
        """Serve again if the server has ended, or could not be opened."""
        if self.server is not None and not self.server.is_alive:
            await self.replace(None, port)
            self._troubles.begin(_METRICS, "The server of metrics has ended.")
        if _METRICS in self._troubles:
            await self.serve(port)
