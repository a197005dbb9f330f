"""The agent of ``teamsup demo --agent``: a script instead of a model, because any program can be an agent.

It reads one JSON object, and writes lines of JSON. If it asks people to decide, it is started again after their answer.
"""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

QUESTION = "Restart the service queue-worker on web-01?"
OPTIONS = ("restart it", "leave it")
RESTARTED = "I have restarted queue-worker on web-01. Its memory was full since 02:40. The queue is empty again."
LEFT = "I have not restarted queue-worker on web-01. Its memory is full since 02:40, and the queue grows."


def main() -> None:
    """Run once: inspect and ask people, or act on their decision."""
    given: Mapping[str, Any] = json.load(sys.stdin)
    if "firing" not in given["message"]["message_id"]:
        _write(cost=0.0)  # another message, such as the end of the problem, needs no answer
        return
    pause = float(sys.argv[1])
    decision = given.get("decision")
    if decision is None:
        for step in ("reads the log of queue-worker", "looks at its memory"):
            _write(progress=step)
            time.sleep(pause)
        _write(decision={"text": QUESTION, "options": OPTIONS, "default": OPTIONS[1]})
        _write(cost=0.0213)
        return
    is_allowed = decision.get("answer") == OPTIONS[0]
    if is_allowed:
        _write(progress="restarts queue-worker")
        time.sleep(pause)
    _write(answer=RESTARTED if is_allowed else LEFT)
    _write(cost=0.0098)


def _write(**line: object) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
