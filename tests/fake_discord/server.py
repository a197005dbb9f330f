"""A Discord on loopback that tests start, act in and look into."""

from types import TracebackType
from typing import Self

from aiohttp import web

from .control.disruptions import Disruptions
from .control.inspection import Inspection
from .control.user_actions import UserActions
from .rules import DiscordRules


class FakeDiscord(UserActions, Inspection, Disruptions):
    """Its world outlives `stop`: started again, it listens on the same port."""

    def __init__(self, *, seed: int = 0, ago: float = 0.0, rules: DiscordRules | None = None) -> None:
        super().__init__(seed=seed, ago=ago, rules=rules)
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return self.world.url

    async def start(self, port: int = 0, extra: web.RouteTableDef | None = None) -> None:
        app = web.Application(client_max_size=1 << 27)
        if extra is not None:
            app.add_routes(extra)
        self.rest.add_to(app)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port or self.port).start()
        self.port = self._runner.addresses[0][1]
        self.world.url = f"http://127.0.0.1:{self.port}"

    async def stop(self) -> None:
        """As when Discord is down: connections are lost, and new ones refused."""
        await self.cut()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
