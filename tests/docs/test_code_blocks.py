"""Each block of code on a page is sound, also a block that cannot be run. test_shell_blocks.py runs the others."""

import io
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, redirect_stderr, redirect_stdout, suppress
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import pytest

import teamsup.config.people_protocol
from helpers.code_blocks import PAGES, REASONS, CodeBlock, Language, all_blocks, blocks_of, lines_of_shell, objects_of
from helpers.postgres_server import stored_on_server
from helpers.source_tree import ROOT
from helpers.support import TeamsupCommand, run_foreign_sql
from teamsup.cli.command_line import build_parser
from teamsup.config.keys import Number
from teamsup.hub import Agent, MessageHub, Team
from teamsup.terminal.findings import CommandHint, Finding

VALUES = {"ID": "1", "PORT": "8080", "SHELL": "bash", "STATE": "done"}
"""A value for a word of the pages that stands for any, where a command takes only some."""
FOREIGN = {"greetings"}
"""The command of the package in docs/workers.md, which test_foreign_package.py runs."""
RUN_BY = {
    "README.md": "docs/test_python_snippets.py",
    "docs/agent-recipes.md": "docs/test_recipes.py",
    "docs/hub.md": "docs/test_python_snippets.py",
    "docs/workers.md": "config/test_foreign_package.py",
}
"""The test that runs the whole programs of a page."""
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
_INLINE = re.compile(r"`(teamsup(?:\s[^`]*)?)`")
_NOTATION = re.compile(r"[][]|…|\bVERB\b")
"""What the pages use to say that a part may be left out or goes on."""


def test_every_block_that_is_not_run_has_a_known_reason() -> None:
    marks = {str(block): block.mark for block in all_blocks(*Language) if block.mark}
    known = {"shown", *(f"not run: {word}" for word in REASONS)}

    assert {at: mark for at, mark in marks.items() if mark not in known} == {}
    assert set(marks.values()) == known, "a reason without a block"


def test_a_new_block_is_found_without_a_mark(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Run\n\n    frobnicate --all\n\n- or\n\n      teamsup ps\n  goes on\n\n    more of it\n\nNext\n\n"
        "<!-- not run: host -->\n    sudo reboot\n\n```\nls\n```\n\n    [web]\n    enabled = true\n\nor\n\n    f(x)\n"
    )

    assert [(block.line, block.language, block.reason, block.text) for block in blocks_of(page)] == [
        (3, Language.SHELL, "", "frobnicate --all"),
        (7, Language.SHELL, "", "teamsup ps"),
        (15, Language.SHELL, "host", "sudo reboot"),
        (17, Language.SHELL, "", "ls"),
        (21, Language.TOML, "", "[web]\nenabled = true"),
        (26, Language.PYTHON, "", "f(x)"),
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_an_indented_line_is_code_and_not_the_end_of_a_list(page: Path) -> None:
    """Markdown takes four blanks below an item of a list for its text: put a sentence between list and block."""
    lines = page.read_text("utf-8").splitlines()
    code = {at for block in blocks_of(page) for at in range(block.line, block.line + block.text.count("\n") + 3)}
    starts = [at for at, line in enumerate(lines, 1) if re.match(r" {4}\S", line) and not lines[at - 2].strip()]

    assert [at for at in starts if at not in code] == []


@pytest.mark.parametrize("block", all_blocks(Language.SHELL), ids=str)
def test_a_block_of_shell_calls_commands_that_exist(block: CodeBlock) -> None:
    calls = [call for line in lines_of_shell(block) for call in calls_in(line)]

    assert [refusal for call in calls if (refusal := refuse(tuple(call)))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_text_of_a_page_names_commands_and_options_that_exist(page: Path) -> None:
    text = re.sub(r"^ {4}.*$", "", page.read_text("utf-8"), flags=re.MULTILINE)
    calls = [call for span in _INLINE.findall(text) for call in calls_in(_NOTATION.sub(" ", " ".join(span.split())))]

    assert [refusal for call in calls if (refusal := refuse(tuple(call), whole=False))] == []


@pytest.mark.parametrize(
    ("line", "calls"),
    [
        ("teamsup stop; teamsup start --detach  # again", [["teamsup", "stop"], ["teamsup", "start", "--detach"]]),
        ("git log -1 | teamsup chat --once -", [["teamsup", "chat", "--once", "-"]]),
        ('eval "$(teamsup completion bash)"', [["teamsup", "completion", "bash"]]),
        ("docker compose exec teamsup teamsup init", [["teamsup", "init"]]),
        ("sudo /opt/bin/teamsup ps && make check", [["teamsup", "ps"], ["make", "check"]]),
        ("pip install teamsup", [["teamsup"]]),
        ("curl -d '{", []),
    ],
)
def test_a_line_is_split_into_its_calls(line: str, calls: list[list[str]]) -> None:
    assert list(calls_in(line)) == calls


def test_a_wrong_call_is_refused() -> None:
    assert "--jsn" in refuse(("teamsup", "ps", "--jsn"))
    assert "no command 'frobnicate'" in refuse(("teamsup", "frobnicate"))
    assert "required: id" in refuse(("teamsup", "alerts", "ack"))
    assert refuse(("teamsup", "alerts", "ack"), whole=False) == ""
    assert "tset" in refuse(("make", "tset"))


@pytest.mark.parametrize("block", all_blocks(Language.JSON), ids=str)
def test_a_block_of_json_is_of_json(block: CodeBlock) -> None:
    assert all(isinstance(each, dict) for each in objects_of(block.text))


@pytest.mark.parametrize("block", all_blocks(Language.SQL), ids=str)
@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def test_a_block_of_sql_runs_in_a_hub(
    block: CodeBlock, engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    team = Team("crew", tmp_path / "crew")
    with ExitStack() as stack:
        if engine == "postgresql":
            stack.enter_context(stored_on_server(team, request.getfixturevalue("postgres")))
        hub = stack.enter_context(MessageHub(team, agent="price-watch"))
        hub.register()
        for statement in re.split(r";\n|;$", re.sub(r" --.*", "", block.text)):
            if statement.strip():
                run_foreign_sql(team, statement.replace("…", "'backup-17'"))


@pytest.mark.parametrize("block", all_blocks(Language.PYTHON), ids=str)
def test_a_block_of_python_runs(block: CodeBlock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if re.search(r"^(import|from) ", block.text, re.MULTILINE):
        test = ROOT / "tests" / RUN_BY[block.page.relative_to(ROOT).as_posix()]
        assert block.page.name in test.read_text("utf-8")
        return
    monkeypatch.setenv("TEAMSUP_HOME", str(tmp_path))
    names: dict[str, Any] = {"MessageHub": MessageHub, "Team": Team, **vars(teamsup.config.people_protocol), "os": os}
    names |= {"Annotated": Annotated, "Callable": Callable, "Mapping": Mapping, "Number": Number}
    names |= {"CommandHint": CommandHint, "Finding": Finding, "TeamsupCommand": TeamsupCommand, "Agent": Agent}
    with MessageHub(agent="user_comm", create=True) as user_comm, MessageHub(agent="lead") as hub:
        user_comm.register()
        hub.register()
        scope = names | {"hub": hub, "watch_prices": lambda: [1.0, 2.0]}
        exec(block.text, scope)  # noqa: S102 - our own page
        if isinstance(opened := scope["hub"], MessageHub):
            opened.close()


def calls_in(line: str) -> Iterator[list[str]]:
    """Yield the calls of teamsup and of make in a line of shell, with their words."""
    with suppress(ValueError):  # a quotation that ends in another line
        lexer = shlex.shlex(re.sub(r'"?\$\((.*?)\)"?', r"; \1 ;", line), posix=True, punctuation_chars=";|&()")
        lexer.whitespace_split = True
        calls: list[list[str]] = [[]]
        for word in lexer:
            if set(word) <= set(";|&()"):
                calls.append([])
            else:
                calls[-1].append(word)
        for call in calls:
            names = [at for at, word in enumerate(call) if word.rpartition("/")[2] in ("teamsup", "make")]
            if names and (names[-1] == 0 or call[names[-1]] != "make"):
                yield [call[names[-1]].rpartition("/")[2], *call[names[-1] + 1 :]]


@cache
def refuse(call: tuple[str, ...], *, whole: bool = True) -> str:
    """Return what is wrong with a call; empty: nothing is. ``whole``: what is required must be there too."""
    program, *words = call
    if program == "make":
        return next((f"There is no target {word}." for word in words if "=" not in word and word not in TARGETS), "")
    said = io.StringIO()
    words = [VALUES.get(word, word) for word in words]
    if words[:1] == [*FOREIGN]:
        return ""
    try:
        with redirect_stderr(said), redirect_stdout(said):
            parser = build_parser(words)
            _, rest = parser.parse_known_args(words)
            if rest:
                parser.refuse_options(rest, words)
    except SystemExit as end:
        is_lacking = re.search("following arguments are required|expected |not allowed with", said.getvalue())
        if end.code and (whole or not is_lacking):
            return said.getvalue()
    return ""
