"""The gate of a run: it writes first, it asks people, and it never lets pass what they were not asked for."""

import fcntl
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

PLUGIN = Path(__file__).parents[2] / "deploy" / "claude"
SPEC = importlib.util.spec_from_file_location("gate", PLUGIN / "gate.py")
assert SPEC is not None
assert SPEC.loader is not None
gate: Any = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(gate)

SESSION = "0193-session"
RESTART = {"command": "systemctl restart shop"}
WATCHER_READS = {"permissionDecision": "allow", "permissionDecisionReason": "it only reads"}
WATCHER_DENIES = {"permissionDecision": "deny", "permissionDecisionReason": "it only reads: no"}


def call(tool: str = "Bash", given: object = None, identity: str = "toolu_1", **more: object) -> dict[str, Any]:
    """What Claude Code tells the hook."""
    about = {"hook_event_name": "PreToolUse", "session_id": SESSION, "tool_use_id": identity, "tool_name": tool}
    return {**about, "tool_input": RESTART if given is None else given, **more}


def row(event: str, identity: str = "toolu_1", tool: str = "Bash", given: object = None) -> dict[str, Any]:
    return {"id": identity, "tool": tool, "event": event, "at": 1.0, "input": RESTART if given is None else given}


def verdict(said: str = "allow", **other: object) -> dict[str, Any]:
    about = {"run": "7", "id": "toolu_1", "tool": "Bash", "input": RESTART, "verdict": said, "reason": "ann said so"}
    return {**about, **other}


def rule(
    payload: dict[str, Any],
    *rows: dict[str, Any],
    said: dict[str, str] | None = None,
    by_people: dict[str, Any] | None = None,
    is_used: bool = False,
    asked: tuple[str, ...] = ("Bash",),
    denied: tuple[str, ...] = (),
) -> tuple[str, str, bool]:
    """The record, the answer, and whether the verdict is used up."""
    policy = gate.Policy({"run": "7", "session": SESSION, "ask_people": asked, "deny": denied})
    ruling = gate.judge(gate.Call(payload), policy, rows, by_people, is_used=is_used, said=said)
    return ruling.event, ruling.permission, ruling.uses_verdict


PASS = ("began", "", False)
PARK = ("parked", "defer", False)
PARK_AGAIN = ("", "defer", False)
ALLOW = ("began", "allow", True)
DENY = ("denied", "deny", False)


def test_a_call_that_nobody_is_asked_for_is_written_down_and_left_to_claude_code() -> None:
    assert rule(call("Read", {"file_path": "/x"})) == PASS
    assert rule(call(), asked=()) == PASS
    assert rule(call(), said=WATCHER_READS, asked=()) == ("began", "allow", False)


def test_a_call_that_people_are_asked_for_is_parked_until_they_decide() -> None:
    assert rule(call()) == PARK
    assert rule(call(), row("parked")) == PARK_AGAIN


@pytest.mark.parametrize(
    ("command", "ruling"),
    [
        ("git push origin", PARK),
        ("git  push", PARK),
        ("git -C . -c a=b push", PARK),
        ("cd x && git push", PARK),
        ("true; git push", PARK),
        ("true | git push", PARK),
        ("true & git push", PARK),
        ("true\ngit push", PARK),
        ("echo $(git push)", PARK),
        ("echo `git push`", PARK),
        ("cat <(git push)", PARK),
        ("git pull", PASS),
        ("git -C . pull", PASS),
        ("echo $HOME > file", PASS),
    ],
)
def test_a_condition_asks_for_its_command_and_for_commands_of_several_parts(
    command: str, ruling: tuple[str, str, bool]
) -> None:
    assert rule(call(given={"command": command}), asked=("Bash(git push:*)",)) == ruling
    assert rule(call("Write", {"command": command}), asked=("Bash(git push:*)",)) == PASS


def test_a_permitted_call_runs_and_a_denied_one_does_not() -> None:
    assert rule(call(), row("parked"), by_people=verdict()) == ALLOW
    assert rule(call(), row("parked"), by_people=verdict("deny")) == DENY
    assert rule(call(), row("parked"), by_people=verdict("whatever")) == DENY


def test_a_verdict_is_used_once_even_after_a_crash() -> None:
    assert rule(call(), row("parked"), is_used=True) == DENY
    assert rule(call(), row("parked"), row("began"), by_people=verdict()) == DENY
    assert rule(call(), row("parked"), row("began"), row("done"), by_people=verdict()) == DENY


@pytest.mark.parametrize(
    "other",
    [
        {"run": "8"},
        {"id": "toolu_2"},
        {"tool": "Write"},
        {"input": {**RESTART, "timeout": 1}},
        {"input": {"command": "systemctl restart db"}},
    ],
)
def test_a_verdict_on_anything_else_allows_nothing(other: dict[str, Any]) -> None:
    assert rule(call(), row("parked"), by_people=verdict(**other)) == DENY


def test_numbers_that_python_takes_for_equal_are_not() -> None:
    shown = {"command": "x", "timeout": 1}
    asks = call(given={"command": "x", "timeout": True})
    assert rule(asks, row("parked", given=shown), by_people=verdict(input=shown)) == DENY


def test_a_call_that_changed_since_people_were_shown_it_is_denied() -> None:
    other = {"command": "systemctl restart db"}
    assert rule(call(given=other), row("parked"), by_people=verdict(input=other)) == DENY


def test_a_verdict_on_what_nobody_was_asked_for_allows_nothing() -> None:
    assert rule(call(), by_people=verdict()) == DENY


def test_while_one_call_waits_for_people_no_other_is_parked() -> None:
    waiting = row("parked", "toolu_0", "Write")
    assert rule(call(), waiting) == DENY
    assert rule(call("Read", {}), waiting) == PASS
    for end in ("began", "denied", "dropped"):
        assert rule(call(), waiting, row(end, "toolu_0", "Write")) == PARK


def test_a_parked_call_is_peoples_also_if_the_rules_have_changed_meanwhile() -> None:
    assert rule(call(), row("parked"), asked=()) == PARK_AGAIN


def test_in_a_subagent_or_another_session_nobody_can_be_asked() -> None:
    assert rule(call(agent_id="a1")) == DENY
    assert rule(call(session_id="another")) == DENY
    assert rule(call("Read", {}, agent_id="a1")) == PASS


def test_a_call_that_a_rule_denies_is_not_asked_for() -> None:
    assert rule(call(), said=WATCHER_DENIES) == DENY
    assert rule(call(), row("parked"), said=WATCHER_DENIES, by_people=verdict()) == DENY
    assert rule(call(), denied=("Bash(systemctl:*)",)) == DENY
    assert rule(call(), row("parked"), denied=("Bash",), by_people=verdict()) == DENY


def test_people_are_also_asked_for_reading_calls_if_configured() -> None:
    assert rule(call(), said=WATCHER_READS) == PARK


@pytest.mark.parametrize(
    ("pattern", "tool", "command", "is_meant"),
    [
        ("Bash", "Bash", "x", True),
        ("Bash", "BashOutput", "x", False),
        ("mcp__github", "mcp__github__merge", "", True),
        ("mcp__github", "mcp__github_else__merge", "", False),
        ("mcp__github__*", "mcp__github__merge", "", True),
        ("*", "Write", "", True),
        ("Bash(git push:*)", "Bash", "git push", True),
        ("Bash(git push:*)", "Bash", "git push origin", True),
        ("Bash(git push:*)", "Bash", "git pushes", False),
        ("Bash(rm *)", "Bash", "rm -rf x", True),
        ("Bash(rm)", "Bash", "rm", True),
        ("Bash(rm)", "Bash", "rm x", False),
        ("Bash()", "Bash", "x", True),
        ("Bash(*)", "Bash", "x", True),
        ("Read(./secrets/**)", "Read", "", False),
    ],
)
def test_rules_are_about_whole_tools_or_single_commands(pattern: str, tool: str, command: str, is_meant: bool) -> None:
    assert gate.matches(pattern, tool, {"command": command}) is is_meant


@pytest.mark.parametrize(
    ("address", "is_denied"),
    [
        ("https://Example.com/x", True),
        ("https://ann@example.com:8443/x", True),
        ("https://notexample.com", False),
        ("https://www.example.com", False),
        (None, False),
    ],
)
def test_a_host_that_is_denied_is_not_asked_for(address: object, is_denied: bool) -> None:
    fetch = call("WebFetch", {"url": address})
    assert rule(fetch, asked=("WebFetch",), denied=("WebFetch(domain:example.com)",)) == (DENY if is_denied else PARK)


TOOLS = st.sampled_from(["Bash", "Write", "Read"])
INPUTS = st.sampled_from([{"command": "a"}, {"command": "b"}, {"command": 1}, {"command": True}])
IDS = st.sampled_from(["t1", "t2", "t3"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("call"), IDS, TOOLS, INPUTS, st.booleans()),
        st.tuples(st.just("verdict"), IDS, TOOLS, INPUTS, st.booleans()),
        st.tuples(st.just("die"), IDS, TOOLS, INPUTS, st.booleans()),
    ),
    max_size=30,
)


@settings(max_examples=400, deadline=None)
@given(steps=STEPS)
def test_it_allows_only_calls_that_people_were_asked_for_and_each_once(steps: list[Any]) -> None:
    policy = gate.Policy({"run": "7", "session": SESSION, "ask_people": ["Bash", "Write"], "deny": []})
    rows: list[dict[str, Any]] = []
    verdicts: dict[str, dict[str, Any]] = {}
    shown: dict[str, str] = {}
    used: set[str] = set()
    allowed: list[str] = []
    for kind, identity, tool, arguments, yes in steps:
        if kind == "verdict":
            verdicts[identity] = {
                "run": "7",
                "id": identity,
                "tool": tool,
                "input": arguments,
                "verdict": "allow" if yes else "deny",
            }
            continue
        asks = gate.Call(call(tool, arguments, identity, **({} if yes else {"agent_id": "a"})))
        given_verdict = verdicts.get(identity)
        ruling = gate.judge(asks, policy, rows, given_verdict, is_used=identity in used)
        if ruling.uses_verdict:
            used.add(identity)
            verdicts.pop(identity)
        if kind == "die":
            continue  # the hook is killed before it has written the row, and before it has answered
        if ruling.event:
            rows.append(row(ruling.event, identity, tool, arguments))
        said = json.dumps([tool, arguments])
        if ruling.event == "parked":
            assert len([each for each in [gate.open_call(rows)] if each]) == 1
            shown[identity] = said
        if ruling.permission == "allow":
            assert shown[identity] == said
            assert given_verdict is not None
            assert given_verdict["verdict"] == "allow"
            assert json.dumps([given_verdict["tool"], given_verdict["input"]]) == said
            assert yes
            assert identity not in allowed
            allowed.append(identity)
        if tool in ("Bash", "Write") and not ruling.permission:
            raise AssertionError("left to the ordinary rules what people are to be asked for")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "default" / "runs" / "7"
    (folder / "verdicts").mkdir(parents=True)
    policy = {"run": "7", "session": SESSION, "ask_people": ["Bash"], "deny": []}
    (folder / "gate.json").write_text(json.dumps(policy))
    return folder


def hook(run: Path, payload: object, *arguments: str, **environment: str) -> tuple[int, dict[str, str]]:
    """Exit code and answer of the hook, run as in a run."""
    ran = subprocess.run(
        ["sh", PLUGIN / "python.sh", PLUGIN / "guard.py", *arguments],
        input=payload if isinstance(payload, bytes) else json.dumps(payload).encode(),
        capture_output=True,
        timeout=60,
        check=False,
        env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TEAMSUP_RUN": f"{run.parents[1]}:7#4026"}
        | environment,
    )
    assert bool(ran.stderr) is (ran.returncode != 0), ran.stderr
    answer: dict[str, Any] = json.loads(ran.stdout)["hookSpecificOutput"] if ran.stdout else {}
    answer.pop("hookEventName", None)
    return ran.returncode, answer


def record(run: Path) -> list[tuple[str, str]]:
    lines = (run / "calls.jsonl").read_text().splitlines()
    return [(json.loads(line)["id"], json.loads(line)["event"]) for line in lines]


def test_a_decided_call_goes_the_whole_way_on_disk(run: Path) -> None:
    assert hook(run, call())[1]["permissionDecision"] == "defer"
    assert json.loads((run / "calls.jsonl").read_text())["input"] == RESTART
    (run / "verdicts" / "toolu_1.json").write_text(json.dumps(verdict()))
    assert hook(run, call()) == (0, {"permissionDecision": "allow", "permissionDecisionReason": "ann said so"})
    assert [file.name for file in (run / "verdicts").rglob("*.json")] == ["toolu_1.json"]
    assert (run / "verdicts" / "used" / "toolu_1.json").is_file()
    assert hook(run, call(hook_event_name="PostToolUse"), "run") == (0, {})
    assert hook(run, call())[1]["permissionDecision"] == "deny"
    assert record(run) == [("toolu_1", event) for event in ("parked", "began", "done", "denied")]


def test_a_verdict_that_was_used_up_before_its_run_was_killed_allows_nothing_more(run: Path) -> None:
    hook(run, call())
    (run / "verdicts" / "used").mkdir()
    (run / "verdicts" / "used" / "toolu_1.json").write_text(json.dumps(verdict()))
    (run / "verdicts" / "toolu_1.json").write_text(json.dumps(verdict()))
    assert "unknown" in hook(run, call())[1]["permissionDecisionReason"]


def test_a_call_that_was_given_up_is_still_refused(run: Path) -> None:
    rows = [row("began"), row("given_up")]
    (run / "calls.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    assert "unknown" in hook(run, call())[1]["permissionDecisionReason"]


def test_one_of_two_calls_at_once_is_parked(run: Path) -> None:
    (run / "calls.jsonl").touch()
    with open(run / "calls.jsonl") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        hooks = [
            subprocess.Popen(
                [sys.executable, "-IS", PLUGIN / "guard.py", "run"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={"TEAMSUP_RUN": f"{run.parents[1]}:7#4026"},
            )
            for _ in range(2)
        ]
        for number, process in enumerate(hooks):
            assert process.stdin is not None
            process.stdin.write(json.dumps(call(identity=f"toolu_{number}")).encode())
            process.stdin.close()
    decisions = []
    for process in hooks:
        with process:
            assert process.stdout is not None
            decisions.append(json.loads(process.stdout.read())["hookSpecificOutput"]["permissionDecision"])
    assert sorted(decisions) == ["defer", "deny"]
    assert [process.returncode for process in hooks] == [0, 0]


def test_it_does_not_change_the_files_of_the_team(run: Path) -> None:
    (run / "gate.json").write_text(json.dumps({"run": "7", "session": SESSION, "ask_people": [], "deny": []}))
    team, home = run.parents[1], run.parents[2]
    (home / "link").symlink_to(run)
    files = (run / "verdicts" / "toolu_9.json", home / "link" / "gate.json", team / "agents" / ".." / "teamsup.toml")
    for file in files:
        assert hook(run, call("Write", {"file_path": str(file)}))[1]["permissionDecision"] == "deny"
    for number, file in enumerate((team / "agents" / "ops" / "note", home / "note", home / "default-not" / "x")):
        assert hook(run, call("Edit", {"file_path": str(file)}, f"toolu_{number + 2}")) == (0, {})


def test_it_does_not_change_the_settings_of_claude_code(run: Path, tmp_path: Path) -> None:
    (tmp_path / "project" / ".claude").mkdir(parents=True)
    (tmp_path / "project" / ".claude" / "settings.json").symlink_to(tmp_path / "elsewhere.json")
    own = run.parents[1] / "agents" / "ops" / ".claude" / "settings.local.json"
    files = (
        tmp_path / "project" / ".claude" / "settings.json",
        own,
        ".claude/x/../settings.json",
        "~/.claude/settings.json",
    )
    for file in files:
        assert hook(run, call("Write", {"file_path": str(file)}))[1]["permissionDecision"] == "deny", file
    assert hook(run, call("Write", {"file_path": "/x/.claude/notes.json"}, "toolu_2")) == (0, {})


def test_a_tool_that_no_verdict_is_about_leaves_large_inputs_out_of_the_record(run: Path) -> None:
    hook(run, call("Write", {"file_path": "/x", "content": "x" * 100_000}))
    assert 16_000 < (run / "calls.jsonl").stat().st_size < 20_000


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        {},
        call(identity="../../x"),
        call(identity=""),
        call(given=[1]),
        {**call(), "session_id": None},
        {**call(), "tool_name": 1},
    ],
)
def test_a_command_that_it_cannot_judge_does_not_run(run: Path, payload: object) -> None:
    assert hook(run, payload) == (2, {})


def test_any_trouble_refuses(run: Path) -> None:
    assert hook(run, call(), TEAMSUP_RUN=f"{run.parents[1]}:8#1") == (2, {})
    assert hook(run, call(), TEAMSUP_RUN="default:7#1") == (2, {})
    assert hook(run, call(), "run", TEAMSUP_RUN="") == (2, {})
    (run / "verdicts" / "toolu_1.json").write_text("{")
    assert hook(run, call()) == (2, {})
    (run / "verdicts" / "toolu_1.json").unlink()
    (run / "calls.jsonl").write_text('{"id": "toolu_0", "event": "par\n')
    assert hook(run, call()) == (2, {})
    (run / "calls.jsonl").unlink()
    (run / "gate.json").unlink()
    assert hook(run, call()) == (2, {})


def test_without_a_python_nothing_runs_in_a_run(run: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to("/bin/sh")
    assert hook(run, call(), PATH=str(tmp_path / "bin"))[0] == 2
