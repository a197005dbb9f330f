"""Commands that a person or a reader leaves: each runs in a fork of this process, which has imported all of them.

Reads cases as JSON from stdin, and prints their results. A case is the words behind ``teamsup``, and "pipe" or
"interrupt": nobody reads its output, or Ctrl-C ends it during its work.
"""

import contextlib
import inspect
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import Any

from teamsup.cli import main as program
from teamsup.cli.completion.known_commands import all_commands

_SECONDS = 0.3
"""A command that still runs after this time waits for something, and is interrupted there."""
_GIVE_UP_SECONDS = 20
_CALLS = 600
"""A command that does not wait is interrupted at one of these calls of its own code, chosen by its number."""
_SOURCE = f"{os.sep}teamsup{os.sep}"


def main() -> None:
    list(all_commands())  # import the modules of all commands
    cases = json.load(sys.stdin)
    results = [_try(number, words, how) for number, (words, how) in enumerate(cases)]
    json.dump(results, sys.stdout)


def _try(number: int, words: list[str], how: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        errors = Path(folder, "errors")
        work = Path(folder, "work")
        work.mkdir()
        child = os.fork()
        if child == 0:
            os._exit(_run(words, how, work, errors, 3 + 97 * number % _CALLS))
        _, status = os.waitpid(child, 0)
        left = sorted(str(path.relative_to(work)) for path in work.rglob("*"))
        text = errors.read_text(errors="replace") if errors.exists() else ""
        return {"code": os.waitstatus_to_exitcode(status), "errors": text, "left": left}


def _run(words: list[str], how: str, work: Path, errors: Path, call: int) -> int:
    os.chdir(work)
    os.setsid()
    reader, writer = os.pipe()
    nothing, nobody = os.pipe()  # a person who does not type
    os.dup2(nothing, 0)
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT, 0o600), 2)
    os.dup2(writer, 1)
    os.close(writer)
    if how == "pipe":
        os.close(reader)
        os.close(nobody)
    sys.stdin, sys.stdout, sys.stderr = (open(each, mode) for each, mode in ((0, "r"), (1, "w"), (2, "w")))  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, _SECONDS, _GIVE_UP_SECONDS)
    if how == "interrupt":
        _interrupt_at(call)
    code: object = 99
    try:
        code = program.main(words)
    except SystemExit as end:
        code = end.code
    finally:
        sys.setprofile(None)
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
    return code if isinstance(code, int) else 98


def _interrupt_at(call: int) -> None:
    left = call

    def count(frame: FrameType, event: str, _: object) -> None:
        nonlocal left
        code = frame.f_code
        # Python itself only reports an exception in a generator that it closes.
        if event == "call" and _SOURCE in code.co_filename and not code.co_flags & inspect.CO_GENERATOR:
            left -= 1
            if left == 0:
                sys.setprofile(None)
                os.kill(os.getpid(), signal.SIGINT)

    sys.setprofile(count)


if __name__ == "__main__":
    main()
