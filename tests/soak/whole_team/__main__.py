"""Run the whole team on each engine, side by side, and print the balance sheets."""

import argparse
import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from helpers.postgres_server import NoServer

from .balance_sheet import render_sheet
from .rig import POSTGRESQL, SQLITE, TESTS
from .run import run_engine

_QUIET_SECONDS = 60.0
"""The share of a run that is left for the quiet time: a third of a short one."""
_INTERRUPTED = 130


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--json", type=Path, help="write the sheets, and what a plot needs, to this file")
    parser.add_argument("--logs", type=Path, help="copy the logs of the teams into this folder")
    parser.add_argument("--engine", choices=(SQLITE, POSTGRESQL), help="only this one")
    options = parser.parse_args()
    os.umask(0o077)
    if options.engine and options.json:
        return run_one(options.engine, options.minutes, options.seed, options.json, options.logs)
    engines = [options.engine] if options.engine else [SQLITE, POSTGRESQL]
    return run_all(engines, options.minutes, options.seed, options.json, options.logs)


def run_one(engine: str, minutes: float, seed: int, output: Path, logs: Path | None) -> int:
    """Run on one engine, and write its sheet to a file."""
    # What this Discord could not make out of a request that was cut off by a kill.
    logging.basicConfig(level=logging.CRITICAL)
    seconds = minutes * 60
    seconds -= min(_QUIET_SECONDS, seconds / 3)

    def say(text: str) -> None:
        print(f"{engine}: {text}", flush=True)

    try:
        sheet, more = asyncio.run(run_engine(engine, seconds, seed, say, logs))
    except NoServer as error:
        output.write_text(json.dumps({"engine": engine, "skipped": str(error)}))
        return 0
    whole = {**sheet.as_json(), **more, "text": render_sheet(sheet)}
    output.write_text(json.dumps(whole))
    return int(bool(sheet.faults)) or (_INTERRUPTED if sheet.is_interrupted else 0)


def run_all(engines: list[str], minutes: float, seed: int, output: Path | None, logs: Path | None) -> int:
    """Run the engines side by side, each in a process of its own, and print their sheets when all have ended."""
    print(f"The whole team on {' and '.join(engines)} for {minutes:g} minutes, SEED={seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        files = {engine: Path(folder) / f"{engine}.json" for engine in engines}
        more = ["--seed", str(seed), *([] if logs is None else ["--logs", str(logs.resolve())])]
        processes = {
            engine: subprocess.Popen(
                [sys.executable, "-m", __package__, str(minutes), *more, "--engine", engine, "--json", str(path)],
                cwd=TESTS,
                start_new_session=True,  # a Ctrl-C comes to us alone, and we pass it on
            )
            for engine, path in files.items()
        }

        def interrupt(number: int, _: object) -> None:
            for each in processes.values():
                each.send_signal(number)

        signal.signal(signal.SIGINT, interrupt)
        codes = {engine: process.wait() for engine, process in processes.items()}
        sheets = [json.loads(path.read_text()) for path in files.values() if path.exists()]
    for sheet in sheets:
        print(sheet.get("text") or f"\n{sheet['engine']}: skipped: {sheet['skipped']}")
    for engine in engines:
        if codes[engine] and not any(sheet["engine"] == engine for sheet in sheets):
            print(f"\n{engine}: the harness failed with exit code {codes[engine]}")
    if output is not None:
        output.write_text(json.dumps(sheets, indent=1))
    return max(codes.values(), key=lambda code: (code == 1, abs(code)))


if __name__ == "__main__":
    sys.exit(main())
