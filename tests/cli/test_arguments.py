"""With any words a command ends with a sentence and an exit code."""

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from teamsup.cli.main import main
from teamsup.hub import MessageHub, Team

COMMANDS = [
    *(["ps"], ["ps", "--json"], ["logs"], ["send"], ["send", "--id"], ["send", "lead"], ["send", "lead", "--type"]),
    *(["read", "--agent"], ["read", "--limit"], ["read", "--wait"], ["stop"], ["restart"], ["reload"]),
    *(["hub", "stats"], ["hub", "check"], ["hub", "backup"], ["hub", "prune", "--days"], ["hub", "prune", "--keep"]),
    *(
        ["hub", "dead-letters"],
        ["hub", "retry"],
        ["hub", "retry", "#1", "--recipient"],
        ["forget", "--yes"],
        ["decisions"],
    ),
    *(
        ["alerts"],
        ["alerts", "refused"],
        ["alerts", "ack"],
        ["agents"],
        ["agents", "rm"],
        ["ps", "--team"],
        ["send", "--team"],
        [],
    ),
]
LONGEST_LINE = 1000
WORDS = st.one_of(
    st.sampled_from(["\udcff", "\udc80x", "a\x00b", "", " ", "9" * 5000, "-1", "nan", "inf", "1e999", "--", "-", "#1"]),
    st.sampled_from(["#" + "9" * 30, "²", "x" * 3000, "../..", "/", "é", "\x1b[2J", "--json", "--yes", "{}", "lead"]),
    st.text(max_size=4),
)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    umask = os.umask(0o077)
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, {"TEAMSUP_HOME": folder}):
        os.environ.pop("TEAMSUP_TEAM", None)
        with MessageHub(Team("default", Path(folder) / "default"), agent="lead") as lead:
            lead.register()
            lead.send("lead", "hi")
        yield Path(folder)
    os.umask(umask)


@given(st.sampled_from(COMMANDS), st.lists(WORDS, max_size=3))
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_command_with_any_words_ends_with_a_sentence(home: Path, command: list[str], odd: list[str]) -> None:
    told, said = io.StringIO(), io.StringIO()
    ends: list[object] = []

    with (
        contextlib.chdir(home),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(told),
        mock.patch("sys.stdin", io.StringIO("typed")),
    ):
        try:
            ends.append(main([*command, *odd]))
        except SystemExit as end:
            ends.append(end.code)

    assert ends[0] in range(128), told.getvalue()
    assert "Traceback" not in told.getvalue()
    assert max(map(len, told.getvalue().splitlines()), default=0) < LONGEST_LINE
