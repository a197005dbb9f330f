"""Claude Code as the program of an agent: its flags, its settings, its environment, and its files in a run's folder.

Only this module and claude_output.py depend on them. They were tested with one version.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from teamsup.config.resources import resource_path
from teamsup.hub import NotConfigured, Team

from ..run import Run
from ..sections import AgentSection
from ..tool_rules import covers, tool_of
from .call_ledger import CallLedger
from .claude_output import OutputReader, is_nothing_deferred, read_errors
from .claude_settings import check_hooks, config_folder, denied_rules, setting_files
from .environment import build_environment
from .program import Call, Launch, RunOutput

SEEN_VERSION = "2.1.332"
"""The version that was tested. ``teamsup doctor`` warns of any other version."""

PLUGIN = "teamsup"
TEAM_TOOLS = "mcp__plugin_teamsup_teamsup"
"""The server of the plugin: a rule with this name allows all of its tools."""

_WITHOUT_EFFECT = (
    "Agent",
    "BashOutput",
    "Glob",
    "Grep",
    "LS",
    "NotebookRead",
    "Read",
    "Skill",
    "Task",
    "TodoWrite",
    "ToolSearch",
    "WebSearch",
    f"{TEAM_TOOLS}__team_get_status",
    f"{TEAM_TOOLS}__team_read_messages",
    f"{TEAM_TOOLS}__team_update_status",
)
"""Tools whose calls need no record, because a repetition after a kill does no harm. A subagent's own calls are
recorded."""
_HOOK_SECONDS = 30
_MAX_READERS = 100
_MAX_INSTRUCTIONS = 100_000
_MAX_FRUITLESS_STARTS = 3
"""If this many processes in a row continue at a deferred call and print nothing, the session has lost the call."""
_ENVIRONMENT = {
    "API_TIMEOUT_MS": "120000",
    "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL": "1",
    "CLAUDE_CODE_MAX_RETRIES": "3",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
}
_SOCKET_FOLDER_MAX = 60  # bytes; the name of the hooks' socket comes after it
_OUTPUT, _ERRORS = "stdout.jsonl", "stderr.log"


class ClaudeCode:
    """Claude Code, started for one run at a time, each in a folder of its own."""

    def __init__(self, team: Team) -> None:
        self._team = team
        self._readers: dict[Path, _FolderReader] = {}

    def plan(self, run: Run, agent: AgentSection, prompt: str, *, resume: bool, folder: Path) -> Launch:
        """Return the start of the program. An empty ``prompt`` with ``resume`` continues with the deferred call.

        Raise NotConfigured, with the remedy, if the program or a file of the agent is missing.
        """
        environment = build_environment(self._team, run, agent)
        executable = shutil.which("claude", path=environment["PATH"])
        if executable is None:
            raise NotConfigured(
                "There is no claude on the PATH of the running team. Install Claude Code, and start the team again."
            )
        directory = (
            Path(agent.directory).expanduser() if agent.directory else folder.parent.parent / "agents" / run.agent
        )
        if agent.directory and not directory.is_dir():
            raise NotConfigured(f"[agent.{run.agent}] directory: there is no folder {directory}.")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        environment = {**_ENVIRONMENT, **environment, **_private_folders(folder)}
        check_hooks(run, setting_files(agent, directory, environment))
        settings = folder / "settings.json"
        settings.write_text(json.dumps(run_settings(agent, environment), indent=1))
        _set_aside(folder, is_empty=not prompt)
        ledger = CallLedger(folder)
        ledger.write_policy(run.id, run.session_id, agent.ask_people, denied_rules(agent, directory, environment))
        if prompt:
            # A prompt would discard the deferred call.
            ledger.drop_parked()
        instructions = self._read_instructions(run, agent)
        argv = (executable, *arguments(run, agent, settings, instructions, resume=resume))
        _write(
            folder / "program.json", {"argv": argv, "directory": str(directory), "config": config_folder(environment)}
        )
        return Launch(argv, environment, stdin_line(prompt), directory)

    def read(self, folder: Path, run: Run) -> RunOutput:
        """Return the result of the output so far. It is cheap to call again."""
        reader = self._reader(folder)
        output = read_errors(reader.read(), reader.errors())
        return replace(output, has_transcript=find_transcript(folder, run.session_id) is not None)

    def read_calls(self, folder: Path) -> Sequence[Call]:
        """Return the latest event of each tool call, without calls that the session has lost."""
        reader = self._reader(folder)
        reader.read()
        calls = CallLedger(folder).calls(reader.ended_calls)
        if is_nothing_deferred(reader.errors()) or reader.fruitless_starts >= _MAX_FRUITLESS_STARTS:
            return [call for call in calls if call.event != "parked"]
        return calls

    def _reader(self, folder: Path) -> "_FolderReader":
        while len(self._readers) > _MAX_READERS:
            del self._readers[next(iter(self._readers))]
        return self._readers.setdefault(folder, _FolderReader(folder))

    def _read_instructions(self, run: Run, agent: AgentSection) -> str:
        if not agent.instructions:
            return ""
        file = self._team.folder / Path(agent.instructions).expanduser()
        try:
            text = file.read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            raise NotConfigured(f"[agent.{run.agent}] instructions: {file} cannot be read: {error}.") from error
        if not 0 < len(text.encode()) <= _MAX_INSTRUCTIONS:
            raise NotConfigured(f"[agent.{run.agent}] instructions: {file} must have 1 to {_MAX_INSTRUCTIONS:,} bytes.")
        return text


class _FolderReader:
    """Reads the output of a run from the last position, including the files of its earlier processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parser = OutputReader()
        self._done: set[Path] = set()
        self._current = (0, 0)
        """The inode of the current file, and the number of bytes that were read."""
        self.fruitless_starts = 0
        """The number of the latest consecutive processes that were started without a prompt and printed nothing."""

    @property
    def ended_calls(self) -> Collection[str]:
        return self._parser.ended_calls

    def read(self) -> RunOutput:
        """Return the result of the output so far."""
        for part in sorted(self._folder.glob("stdout.*.jsonl"), key=_part_number):
            if part not in self._done:
                self._feed(part)
                self._done.add(part)
                is_fruitless = self._parser.is_fruitless and ".empty." in part.name
                self.fruitless_starts = self.fruitless_starts + 1 if is_fruitless else 0
                self._parser.begin_process()
        self._feed(self._folder / _OUTPUT)
        return self._parser.output

    def errors(self) -> str:
        try:
            return (self._folder / _ERRORS).read_text("utf-8", errors="replace")[-10_000:]
        except OSError:
            return ""

    def _feed(self, file: Path) -> None:
        try:
            with open(file, "rb") as opened:
                inode, read = os.fstat(opened.fileno()).st_ino, 0
                if inode == self._current[0]:
                    read = self._current[1]
                else:
                    self._parser.begin_process()
                opened.seek(read)
                for line in opened:
                    if not line.endswith(b"\n"):
                        break  # another program writes it at this moment
                    self._parser.feed(line)
                    read += len(line)
                self._current = inode, read
        except FileNotFoundError:
            return


def arguments(run: Run, agent: AgentSection, settings: Path, instructions: str, *, resume: bool) -> Iterator[str]:
    """Yield the arguments of a start. They allow the team's tools, and the agent's tools that do not need
    permission.
    """
    yield from ("-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose")
    yield from ("--setting-sources", ",".join(agent.setting_sources), "--settings", str(settings))
    yield from ("--plugin-dir", str(resource_path("claude")))
    allowed = (TEAM_TOOLS, *(tool for tool in agent.allowed_tools if tool not in agent.ask_people))
    yield from ("--allowedTools", ",".join(allowed))
    yield from ("--permission-mode", "dontAsk", "--permission-prompts", "none")
    yield from ("--max-turns", str(agent.max_turns), "--max-budget-usd", f"{agent.max_usd:g}")
    if agent.model:
        yield from ("--model", agent.model)
    if instructions:
        yield from ("--agents", json.dumps({run.agent: _own_agent(run, agent, instructions)}), "--agent", run.agent)
    elif (resource_path("claude") / "agents" / f"{run.agent}.md").is_file():
        yield from ("--agent", f"{PLUGIN}:{run.agent}")
    yield from ("--resume" if resume else "--session-id", run.session_id)


def _own_agent(run: Run, agent: AgentSection, instructions: str) -> Mapping[str, Any]:
    """Return an agent with the person's instructions. It gets only the tools that it may use or ask for."""
    tools = dict.fromkeys(tool_of(rule) for rule in (TEAM_TOOLS, *agent.allowed_tools, *agent.ask_people))
    return {"description": f"{run.agent} of a teamsup team", "prompt": instructions, "tools": list(tools)}


def run_settings(agent: AgentSection, environment: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the settings of a run: the hooks of its gate, and the variables that no project may change.

    The settings leave Bash out, because the plugin has a hook for Bash, and no tool may get the hook twice.
    """
    asked = [tool_of(rule) for rule in agent.ask_people]
    unrecorded = [tool for tool in _WITHOUT_EFFECT if not any(covers(rule, tool) for rule in asked)]
    guard = resource_path("claude") / "guard.py"
    # If a hook fails, Claude Code makes the call. Only exit code 2 refuses the call.
    command = ["-c", '"$0" -IS "$1" run || exit 2', sys.executable, str(guard)]
    hook = {"type": "command", "command": "sh", "args": command, "timeout": _HOOK_SECONDS}
    before, after = ([{"matcher": _all_but(names), "hooks": [hook]}] for names in (["Bash", *unrecorded], unrecorded))
    return {
        "disableAllHooks": False,
        "hooks": {"PreToolUse": before, "PostToolUse": after, "PostToolUseFailure": after},
        "env": {name: value for name, value in environment.items() if name.startswith("TEAMSUP")},
    }


def _all_but(names: Collection[str]) -> str:
    return f"^(?!(?:{'|'.join(map(re.escape, names))})$).*$"


def stdin_line(prompt: str) -> bytes:
    """Return the single line that the program reads. ``@file`` and ``/command`` have no special meaning in it."""
    if not prompt:
        return b""
    said = {"type": "user", "message": {"role": "user", "content": prompt}, "client_composed": True}
    return json.dumps(said).encode() + b"\n"


def find_transcript(folder: Path, session: str) -> Path | None:
    """Return the transcript of the session, without which it cannot be resumed."""
    try:
        config = json.loads((folder / "program.json").read_text("utf-8"))["config"]
        return next(Path(config, "projects").glob(f"*/{session}.jsonl"), None)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _private_folders(folder: Path) -> dict[str, str]:
    """Return the variables for the run's temporary files, and for its sockets if the path is short enough."""
    inside = folder / "tmp"
    inside.mkdir(mode=0o700, exist_ok=True)
    named = {"CLAUDE_CODE_TMPDIR": str(inside)}
    if len(os.fsencode(inside)) <= _SOCKET_FOLDER_MAX:
        return named | {"XDG_RUNTIME_DIR": str(inside)}
    ours = os.environ.get("XDG_RUNTIME_DIR")
    return named | ({"XDG_RUNTIME_DIR": ours} if ours else {})


def _set_aside(folder: Path, *, is_empty: bool) -> None:
    """Keep the output of the earlier process apart from the output of the next process.

    The name of the file says whether the earlier process was started without a prompt.
    """
    mark = folder / "without-prompt"
    kind = "empty." if mark.exists() else ""
    number = len(list(folder.glob("stdout.*.jsonl"))) + 1
    for name in (_OUTPUT, _ERRORS):
        if (folder / name).exists():
            stem, ending = name.split(".")
            (folder / name).rename(folder / f"{stem}.{kind}{number}.{ending}")
    mark.touch() if is_empty else mark.unlink(missing_ok=True)


def _part_number(part: Path) -> int:
    return int(part.name.split(".")[-2])


def _write(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1))
