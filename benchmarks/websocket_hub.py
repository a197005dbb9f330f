"""A hub process as teams build it over WebSocket: what one client sends goes to all others. Nothing is kept."""

import asyncio
import sys
from typing import Any

from websockets.asyncio.server import broadcast, serve


async def main(port: int, compression: str | None) -> None:
    connections: set[Any] = set()

    async def handle(connection: Any) -> None:  # noqa: ANN401
        connections.add(connection)
        try:
            async for content in connection:
                broadcast(connections - {connection}, content)
        finally:
            connections.remove(connection)

    async with serve(handle, "127.0.0.1", port, compression=compression):
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))
