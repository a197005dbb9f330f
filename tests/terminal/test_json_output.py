"""What ``--json`` prints is an object with the team."""

import argparse
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import pytest

from teamsup.terminal.json_output import add_json_option, print_json, print_json_line, print_result


@dataclass(frozen=True)
class Row:
    name: str
    seen: datetime | None


def test_times_and_objects_become_texts_and_objects(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Row("né", datetime(2030, 1, 15, 10, tzinfo=UTC)), Row("b", None)]

    print_json("crew", rows=rows, folder=Path("/teams"))

    printed = capsys.readouterr().out
    assert json.loads(printed) == {
        "team": "crew",
        "rows": [{"name": "né", "seen": "2030-01-15T10:00:00+00:00"}, {"name": "b", "seen": None}],
        "folder": "/teams",
    }
    assert "né" in printed


def test_each_line_of_a_stream_has_the_team_and_the_fields_of_what_happened(capsys: pytest.CaptureFixture[str]) -> None:
    print_json_line("crew", name="né", metadata=MappingProxyType({"a": 1}))

    assert capsys.readouterr().out == '{"team": "crew", "name": "né", "metadata": {"a": 1}}\n'


def test_a_result_is_a_sentence_and_for_programs_also_values(capsys: pytest.CaptureFixture[str]) -> None:
    for as_json in (False, True):
        print_result("crew", "Would forget a.", as_json=as_json, dry_run=True)

    sentence, _, printed = capsys.readouterr().out.partition("\n")
    assert sentence == "Would forget a."
    assert json.loads(printed) == {"team": "crew", "dry_run": True, "text": "Would forget a."}


@pytest.mark.parametrize(("words", "given"), [
    ([], False), (["--json"], True), (["--json", "rm"], True), (["rm", "--json"], True), (["rm"], False),
])  # fmt: skip
def test_the_option_stands_before_or_after_a_verb(words: list[str], given: bool) -> None:
    parser = argparse.ArgumentParser()
    add_json_option(parser, parser.add_subparsers().add_parser("rm"))

    assert parser.parse_args(words).json is given
