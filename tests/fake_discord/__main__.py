"""A Discord as a process of its own: ``python -m fake_discord`` prints where it listens, and runs until SIGTERM."""

import argparse
import asyncio
import json
import signal

from .control.remote import control_routes
from .server import FakeDiscord


async def serve(port: int, seed: int, ago: float) -> None:
    discord, ended = FakeDiscord(seed=seed, ago=ago), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await discord.start(port, control_routes(discord))
    print(json.dumps({"url": discord.url}), flush=True)
    await ended.wait()
    await discord.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="fake_discord", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0, help="of faults that strike by chance")
    parser.add_argument("--ago", type=float, default=0.0, help="seconds in the past at which it begins")
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.seed, options.ago))


if __name__ == "__main__":
    main()
