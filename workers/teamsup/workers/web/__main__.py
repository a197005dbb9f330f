"""The process of web: ``python -m teamsup.workers.web --team NAME``."""

import sys

# asyncio and aiohttp import ssl if they can, and that takes 4 MiB. Nothing in this process speaks TLS.
sys.modules.setdefault("ssl", None)  # type: ignore[arg-type]


def run() -> None:
    """Run the worker until it is stopped."""
    from teamsup.workers.worker import main

    from .component import component
    from .web_worker import WebWorker

    main(WebWorker, component.tables)


if __name__ == "__main__":
    run()
