"""The worker that shows the team in a browser."""

import asyncio
import time
from pathlib import Path
from typing import Any

from teamsup.config.loader import Config
from teamsup.hub import Delivery, MessageHub, OptionalNotConfigured

from ..backoff import backoff
from ..protocol import WEB
from ..worker import Worker
from .presence import ADDRESS_KEY
from .run_files import read_port, remove_expired_links, write_port
from .sections import WebSection

_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS = 1.0, 30.0
_ANSWER = "I show the team in a browser: teamsup open. I read no messages."


class WebWorker(Worker):
    """Show the team in a browser."""

    name = WEB

    def __init__(self, hub: MessageHub, config: Config) -> None:
        super().__init__(hub, config)
        self._section = config.section(self.name, WebSection)
        if not self._section.enabled:
            raise OptionalNotConfigured("[web] enabled is false.")
        self._address = ""

    def presence_details(self) -> dict[str, Any]:
        return {ADDRESS_KEY: self._address} if self._address else {}

    async def heartbeat(self) -> None:
        """Send a heartbeat, and remove unused links."""
        remove_expired_links(self.hub.team.run, time.time())
        await super().heartbeat()

    async def handle(self, delivery: Delivery) -> None:
        await self.in_thread(self.hub.reply, delivery, _ANSWER)

    async def work(self) -> None:
        from .server import PageServer

        server = PageServer(self.hub, self._section, self.log)
        pauses = backoff(_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS)
        while True:
            try:
                port = await server.start(self._wanted_ports())
            except OSError as error:
                await self.degrade("port", f"The page cannot be served at {self._section.listen}: {error.strerror}.")
                await asyncio.sleep(next(pauses))
            else:
                break
        try:
            if not self._section.address.port:
                await asyncio.to_thread(write_port, self._port_file, port)
            self._address = self._section.base_address(port)
            await self.recover("port")
            await self.heartbeat()
            await asyncio.Event().wait()
        finally:
            await server.close()

    def _wanted_ports(self) -> tuple[int, ...]:
        """Return the ports to try, one after another. Each team on a machine has its own port."""
        if port := self._section.address.port:
            return (port,)
        kept = read_port(self._port_file)
        return (kept, 0) if kept else (0,)

    @property
    def _port_file(self) -> Path:
        return self.hub.team.run / "web.port"
