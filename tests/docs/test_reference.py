"""The pages of the reference are those of the code; every column, message type and key of metadata has a meaning."""

import importlib.util
import tomllib
from types import ModuleType

import pytest

from helpers.message_usage import find_keys, find_types
from helpers.source_tree import ROOT, teamsup_modules
from teamsup.hub import MessageHub, Team


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_reference", ROOT / "docs" / "write_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_those_of_the_code(writer: ModuleType) -> None:
    stale = [name for name, text in writer.render_pages().items() if (ROOT / "docs" / name).read_text("utf-8") != text]

    assert stale == [], "run make reference"


def test_every_column_has_a_meaning_beside_the_code_of_its_owner(writer: ModuleType, team: Team) -> None:
    with MessageHub(team) as hub:
        found = {
            (owner.replace("-", "_"), table): {"table", *(name for name, _, _ in columns)}
            for owner, tables in writer.read_tables(hub).items()
            for table, columns in tables.items()
        }
    described = {
        (owner, table): set(meanings)
        for owner, path in writer.COLUMNS.items()
        for table, meanings in tomllib.loads(path.read_text("utf-8")).items()
    }

    assert described == found


def test_every_message_type_and_key_of_metadata_has_a_meaning(writer: ModuleType) -> None:
    meanings = tomllib.loads(writer.MESSAGES.read_text("utf-8"))
    keys = {key for part in ("sent", "received", "presence") for key in meanings[part]}

    assert (find_types() - {*meanings["types"]}, find_keys() - keys) == (set(), set())


def test_no_meaning_is_left_of_what_the_code_no_longer_knows(writer: ModuleType) -> None:
    code = "".join(path.read_text("utf-8") for path in teamsup_modules())
    meanings = tomllib.loads(writer.MESSAGES.read_text("utf-8"))

    assert [name for part in meanings.values() for name in part if f'"{name}"' not in code] == []
