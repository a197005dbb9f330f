"""The gate of a run: it records each call of an agent before the call, and some calls wait for people.

guard.py asks it about every call that an agent makes in a run (``$TEAMSUP_RUN``). It reads the run's folder:
``gate.json`` names the tools that people must permit, ``calls.jsonl`` has the calls so far, and ``verdicts/`` the
decisions of people. A hook that fails lets the call pass, so every trouble here ends with the exit code that refuses
it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing takes as long as the rest of this program
    from collections.abc import Sequence
    from typing import Any

_MAX_INPUT = 16_384
"""Characters of the input in the record of a call. The input of a parked call is kept whole, because people see it."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_COMPOUND = re.compile(r"[;&|`\n]|[$<>]\(")
_GIT_OPTIONS = re.compile(r"^git( -[Cc] \S+)+")
_HOST = re.compile(r"https?://(?:[^/?#@]*@)?([^/?#:]+)", re.IGNORECASE)
_FILE_KEYS = ("file_path", "notebook_path", "path")
_SETTINGS = re.compile(r"(^|/)\.claude/settings[^/]*\.json/$", re.IGNORECASE)
"""The settings of Claude Code, as a path with a slash behind it."""
_WRITES_FILES = ("Edit", "MultiEdit", "NotebookEdit", "Write")


class Call:
    """One call of a tool, from the input of the hook."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.id = _text(given, "tool_use_id")
        self.tool = _text(given, "tool_name")
        self.input = given["tool_input"]
        self.session = _text(given, "session_id")
        self.is_in_subagent = bool(given.get("agent_id"))
        if _ID.fullmatch(self.id) is None or not isinstance(self.input, dict):
            raise ValueError("no call of a tool")


class Policy:
    """The runner's record of this run."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.run = _text(given, "run")
        self.session = _text(given, "session")
        self.asked = [str(rule) for rule in given["ask_people"]]
        self.denied = [str(rule) for rule in given["deny"]]


class Ruling:
    """The event to record, and the answer to Claude Code. Without a permission Claude Code's own rules decide."""

    def __init__(self, event: str, permission: str = "", reason: str = "", *, uses_verdict: bool = False) -> None:
        self.event = event
        self.permission = permission
        self.reason = reason
        self.uses_verdict = uses_verdict


def judge(
    call: Call,
    policy: Policy,
    rows: Sequence[dict[str, Any]],
    verdict: dict[str, Any] | None,
    *,
    is_used: bool = False,
    said: dict[str, str] | None = None,
) -> Ruling:
    """Return the ruling on a call. Pure.

    ``rows`` is the record of the run so far. ``verdict`` is the decision about this call; ``is_used``: it was used up
    before. ``said`` is the guard's opinion.
    """
    if said and said["permissionDecision"] == "deny":
        return _deny(said["permissionDecisionReason"])
    for rule in policy.denied:
        if matches(rule, call.tool, call.input) or _denies_host(rule, call.tool, call.input):
            return _deny(f"The rule {rule} denies it, so nobody was asked.")
    events = [row["event"] for row in rows if row["id"] == call.id]
    if is_used or "began" in events or "done" in events:
        return _deny("This call has begun before, and its outcome is unknown. Look at what it did before you go on.")
    if "parked" not in events and not any(asks(rule, call.tool, call.input) for rule in policy.asked):
        return Ruling("began", *((said["permissionDecision"], said["permissionDecisionReason"]) if said else ()))
    if call.is_in_subagent or call.session != policy.session:
        return _deny("People are asked for this, and only the agent itself can ask. Return what should be done.")
    return _judge_asked(call, policy, rows, verdict)


def _judge_asked(call: Call, policy: Policy, rows: Sequence[dict[str, Any]], verdict: dict[str, Any] | None) -> Ruling:
    shown = next((row for row in rows if row["id"] == call.id and row["event"] == "parked"), None)
    if shown is None:
        if verdict is not None:
            return _deny("There is a verdict on this call, and nobody was asked.")
        if other := open_call(rows):
            return _deny(f"People are being asked for a call of {other['tool']}. Make this one again after that.")
        return Ruling("parked", "defer", "People are asked.")
    if not _is_same(shown, call):
        return _deny("This is not the call that people were asked for.")
    if verdict is None:
        return Ruling("", "defer", "People are asked.")
    if verdict.get("run") != policy.run or verdict.get("id") != call.id or not _is_same(verdict, call):
        return _deny("The verdict is on another call.")
    reason = str(verdict.get("reason") or "")
    if verdict.get("verdict") == "allow":
        return Ruling("began", "allow", reason, uses_verdict=True)
    return _deny(reason or "People have denied this call.")


def open_call(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the call that waits for people, or None."""
    parked: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["event"] == "parked":
            parked[row["id"]] = row
        else:
            parked.pop(row["id"], None)
    return next(iter(parked.values()), None)


def matches(rule: str, tool: str, arguments: dict[str, Any]) -> bool:
    """Return whether a rule such as ``Bash``, ``mcp__github`` or ``Bash(git push:*)`` is about this call.

    It supports rules on whole tools and on single commands. Claude Code itself looks at its rules on files before its
    hooks, and at all its other deny rules after people have decided.
    """
    name, parenthesis, rest = rule.partition("(")
    if not (_glob(name).fullmatch(tool) or (name.startswith("mcp__") and tool.startswith(f"{name}__"))):
        return False
    pattern = rest[:-1] if rest.endswith(")") else rest
    if not parenthesis or pattern in ("", "*"):
        return True
    command = arguments.get("command")
    if tool != "Bash" or not isinstance(command, str):
        return False
    if pattern.endswith(":*"):
        return command == pattern[:-2] or command.startswith(f"{pattern[:-2]} ")
    return _glob(pattern).fullmatch(command) is not None


def _denies_host(rule: str, tool: str, arguments: dict[str, Any]) -> bool:
    name, _, condition = rule.removesuffix(")").partition("(")
    host = _HOST.match(str(arguments.get("url")))
    is_meant = name == tool == "WebFetch" and condition.startswith("domain:")
    return is_meant and host is not None and host[1].lower() == condition[len("domain:") :].lower()


def asks(rule: str, tool: str, arguments: dict[str, Any]) -> bool:
    """Return whether people must permit this call by this rule.

    A rule on single commands also asks for a command of several parts, because each part may be the one that it names.
    """
    if matches(rule, tool, arguments):
        return True
    command = arguments.get("command")
    if tool != "Bash" or not rule.startswith("Bash(") or not isinstance(command, str):
        return False
    plain = _GIT_OPTIONS.sub("git", " ".join(command.split()))
    return _COMPOUND.search(command) is not None or matches(rule, tool, {"command": plain})


def _glob(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)


def _deny(reason: str) -> Ruling:
    return Ruling("denied", "deny", reason)


def _is_same(known: dict[str, Any], call: Call) -> bool:
    """Compare as text: to Python 1, 1.0 and True are the same."""
    return bool(known["tool"] == call.tool) and _canonical(known["input"]) == _canonical(call.input)


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _text(given: dict[str, Any], key: str) -> str:
    value = given[key]
    if not isinstance(value, str) or not value:
        raise TypeError(f"{key} is not a text")
    return value


def run_folder(mark: str) -> str:
    """Return the folder of the run with that mark, ``TEAMFOLDER:ID#namespace``."""
    team, _, run = mark.rpartition("#")[0].rpartition(":")
    if not team.startswith("/") or _ID.fullmatch(run) is None:
        raise ValueError(f"{mark!r} is not a mark of a run")
    return os.path.join(team, "runs", run)


class _Record:
    """The record of a run's calls, for one hook at a time."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(os.path.join(folder, "calls.jsonl"), flags, 0o600)
        # The hooks of two calls in one message run at once, and only one call may be deferred.
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows. Raise ValueError if one cannot be read, because it may be important."""
        size = os.fstat(self._file).st_size
        return [json.loads(line) for line in os.pread(self._file, size, 0).split(b"\n") if line]

    def append(self, call: Call, event: str) -> None:
        """Return when it is on disk."""
        row = {"id": call.id, "tool": call.tool, "event": event, "at": time.time()}
        if event != "done":
            written = _canonical(call.input)
            is_kept = event == "parked" or len(written) <= _MAX_INPUT
            row["input"] = call.input if is_kept else {"cut": written[:_MAX_INPUT]}
        line = json.dumps(row).encode() + b"\n"
        if os.write(self._file, line) != len(line):
            raise OSError("the record was not written")
        os.fsync(self._file)

    def verdict(self, call: Call) -> dict[str, Any] | None:
        try:
            with open(os.path.join(self._folder, "verdicts", f"{call.id}.json"), encoding="utf-8") as file:
                found = json.load(file)
        except FileNotFoundError:
            return None
        if not isinstance(found, dict):
            raise TypeError("no verdict")
        return found

    def is_used(self, call: Call) -> bool:
        return os.path.lexists(self._used(call))

    def use_verdict(self, call: Call) -> None:
        """Use the verdict up. After that it cannot be used again, even after a crash."""
        verdicts = os.path.join(self._folder, "verdicts")
        os.makedirs(os.path.join(verdicts, "used"), mode=0o700, exist_ok=True)
        os.rename(os.path.join(verdicts, f"{call.id}.json"), self._used(call))
        for folder in (os.path.join(verdicts, "used"), verdicts):
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(opened)
            os.close(opened)

    def _used(self, call: Call) -> str:
        return os.path.join(self._folder, "verdicts", "used", f"{call.id}.json")


def _protects(call: Call, folder: str) -> bool:
    """Return whether the call would write into the team's folder, or into the settings of Claude Code.

    The folder has the verdicts and the configuration. Those settings can switch off the hooks.
    The folders of agents that have no other are in it too; those may be written.
    """
    team = os.path.realpath(os.path.dirname(os.path.dirname(folder)))
    named = [call.input[key] for key in _FILE_KEYS if isinstance(call.input.get(key), str)]
    paths = [os.path.realpath(os.path.expanduser(path)) + "/" for path in named]
    is_setting = any(_SETTINGS.search(path) for path in (*paths, *(f"{os.path.normpath(path)}/" for path in named)))
    return call.tool in _WRITES_FILES and (
        is_setting or any(path.startswith(f"{team}/") and not path.startswith(f"{team}/agents/") for path in paths)
    )


def pass_call(given: dict[str, Any], mark: str, said: dict[str, str] | None) -> dict[str, str] | None:
    """Rule on a call, or record its end. Return the answer to Claude Code. Raise an error for any unexpected state."""
    folder = run_folder(mark)
    call = Call(given)
    record = _Record(folder)
    if given["hook_event_name"] != "PreToolUse":
        record.append(call, "done")
        return None
    with open(os.path.join(folder, "gate.json"), encoding="utf-8") as file:
        policy = Policy(json.load(file))
    if _protects(call, folder):
        said = {
            "permissionDecision": "deny",
            "permissionDecisionReason": "The files of the team and of Claude Code's settings are not yours to change.",
        }
    ruling = judge(call, policy, record.rows(), record.verdict(call), is_used=record.is_used(call), said=said)
    if ruling.uses_verdict:
        record.use_verdict(call)
    if ruling.event:
        record.append(call, ruling.event)
    if not ruling.permission:
        return None
    return {"permissionDecision": ruling.permission, "permissionDecisionReason": ruling.reason}


def limit_time(seconds: float) -> None:
    """End this program with a refusal after that time, before Claude Code gives up and lets the call pass."""
    import _signal  # `signal` takes longer to import

    _signal.signal(_signal.SIGALRM, lambda *_: os._exit(2))
    _signal.setitimer(_signal.ITIMER_REAL, seconds)


if __name__ == "__main__":
    sys.exit("guard.py asks it")
