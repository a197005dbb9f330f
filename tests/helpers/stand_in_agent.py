"""A scripted program in place of an agent: it does what the lines of its message say.

``effect WORD`` adds a line to $EFFECTS. ``wait FILE`` waits for such a file in $SIGNS, ``said`` makes one there.
``leave`` leaves a process behind in a session of its own. The others are ``answer TEXT``, ``cost USD``, ``ask TEXT``
and ``exit CODE``.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

given = json.load(sys.stdin)
signs = Path(os.environ["SIGNS"])
content = given["message"]["content"] if given["message"] else given["words"]
for line in content.splitlines():
    verb, _, rest = line.partition(" ")
    match verb:
        case "effect":
            with open(os.environ["EFFECTS"], "a") as file:
                file.write(f"{rest} run {given['run']}\n")
        case "wait":
            while not (signs / rest).exists():
                time.sleep(0.01)
        case "pause":
            time.sleep(float(rest))
        case "said":
            (signs / rest).touch()
        case "leave":
            subprocess.Popen(["sleep", "1000"], start_new_session=True)
        case "ask":
            if given["decision"] is None:
                print(json.dumps({"decision": {"text": rest, "options": ["yes", "no"], "default": "no"}}))
                sys.exit(0)
            print(json.dumps({"answer": f"decided: {given['decision']['answer']}"}))
        case "answer":
            print(json.dumps({"answer": rest}))
        case "given":
            print(json.dumps({"answer": json.dumps(given[rest])}))
        case "variables":
            print(json.dumps({"answer": " ".join(sorted(os.environ))}))
        case "cost":
            print(json.dumps({"progress": "counting", "cost": float(rest), "turns": 1}))
        case "exit":
            print(rest, file=sys.stderr)
            sys.exit(int(rest.split()[0]))
