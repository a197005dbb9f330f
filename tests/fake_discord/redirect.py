"""Runs a program whose unmodified discord.py takes $FAKE_DISCORD for Discord.

As in ``FAKE_DISCORD=URL python -m fake_discord.redirect teamsup.workers.gateway.discord_gateway --team crew``.
"""

import os
import runpy
import sys

import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route


def redirect_to(url: str) -> None:
    """All that is changed: where Discord is."""
    Route.BASE = f"{url}/api/v10"
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(url.replace("http", "ws", 1) + "/gateway/")


def main() -> None:
    redirect_to(os.environ["FAKE_DISCORD"])
    module, *rest = sys.argv[1:]
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
