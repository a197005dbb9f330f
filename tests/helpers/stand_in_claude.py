"""A scripted program in place of Claude Code in a run: its sessions, its output and its hooks, without a model.

The prompt has ``effect WORD`` for a call that nobody is asked about, or ``asked WORD`` for one that people must permit.
Each call adds WORD to $EFFECTS.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

_GUARD = Path(__file__).parents[2] / "deploy" / "claude" / "guard.py"
_TOOLS = {"effect": "Write", "asked": "Bash"}
_TRIES = 5


def say(**line: object) -> None:
    print(json.dumps({**line, "session_id": session}), flush=True)


def end(text: str, **more: object) -> None:
    """The last line of the output."""
    say(type="result", subtype="success", is_error=False, result=text, total_cost_usd=0.001, **more)
    sys.exit(0)


def save() -> None:
    """The transcript as a whole, or not at all."""
    draft = transcript.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(state))
    draft.replace(transcript)


def ask_hook(event: str, call: str, tool: str, given: dict[str, str]) -> str | None:
    """What the gate says to a call; "deny" after any trouble."""
    about = {"hook_event_name": event, "session_id": session, "tool_use_id": call, "tool_name": tool}
    done = subprocess.run(
        [sys.executable, "-IS", str(_GUARD), "run"],
        input=json.dumps({**about, "tool_input": given}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return "deny"
    said = json.loads(done.stdout)["hookSpecificOutput"] if done.stdout else {}
    return said.get("permissionDecision")


def make_call(number: int) -> bool:
    """Make the call of the script, unless it is refused; defer it if people have to be asked."""
    call, tool = f"toolu_{session}_{number}", _TOOLS[state["verb"]]
    given = {"word": state["word"]}
    use = {"type": "tool_use", "id": call, "name": tool, "input": given}
    if state["pending"] is None:
        say(type="assistant", message={"id": f"msg_{number}", "content": [use], "usage": {}})
    match ask_hook("PreToolUse", call, tool, given):
        case "defer":
            state["pending"] = number
            save()
            end(
                "",
                terminal_reason="tool_deferred",
                deferred_tool_use={key: use[key] for key in ("id", "name", "input")},
            )
        case "deny":
            result, is_made = "refused", False
        case _:
            with open(os.environ["EFFECTS"], "a") as file:
                file.write(f"{state['word']} run {number}\n")
            ask_hook("PostToolUse", call, tool, given)
            result, is_made = "made", True
    state.update(pending=None, calls=number, is_made=is_made)
    save()
    say(
        type="user",
        message={"role": "user", "content": [{"type": "tool_result", "tool_use_id": call, "content": result}]},
    )
    return is_made


way = next(word for word in ("--resume", "--session-id") if word in sys.argv)
session = sys.argv[sys.argv.index(way) + 1]
transcript = Path(os.environ["CLAUDE_CONFIG_DIR"], "projects", "all", f"{session}.jsonl")
transcript.parent.mkdir(parents=True, exist_ok=True)
line = sys.stdin.readline()
prompt = json.loads(line)["message"]["content"] if line else ""
if way == "--resume":
    if not transcript.exists():
        sys.exit(f"No conversation found with session ID: {session}")
    state = json.loads(transcript.read_text())
elif transcript.exists():
    sys.exit(f"Error: Session ID {session} is already in use.")
else:
    verb, word = re.search(r"^(effect|asked) (\S+)$", prompt, re.MULTILINE).groups()  # type: ignore[union-attr]
    state = {"verb": verb, "word": word, "pending": None, "calls": 0, "is_made": False}
if not prompt and state["pending"] is None:
    sys.exit("No deferred tool marker found in the resumed session.")
if prompt:
    state["pending"] = None
servers = [{"name": "plugin:teamsup:teamsup", "status": "connected"}]
say(type="system", subtype="init", mcp_servers=servers, claude_code_version="0.0.0", apiKeySource="none")
save()
if not state["is_made"] and "These calls had ended" not in prompt:
    for _ in range(_TRIES):
        if make_call(state["pending"] or state["calls"] + 1) or state["verb"] == "asked":
            break
end("made" if state["is_made"] else "refused", terminal_reason="completed")
