"""docs/configuration.md is what the code says, and each TOML of a page is sound."""

import re
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from helpers.prose import PAGES
from helpers.source_tree import ROOT
from teamsup.cli.configuration.reference_page import render_page
from teamsup.cli.configuration.schema import make_schema
from teamsup.hub import Team
from teamsup.supervisor.configuration.team_configuration import parse_configuration

VALIDATOR = Draft7Validator(make_schema())
FOREIGN = {"mcp_servers", "build-system", "project"}
"""The first sections of files of other programs."""
NEEDED: dict[str, dict[str, Any]] = {"source": {"monitor-bridge": {"listen": "127.0.0.1:9095"}}}
"""What a section needs of others, by its name."""
_BLOCK = re.compile(r"^```toml\n((?:.*\n)*?)^```|((?:^(?:    .*)?\n)+)", re.MULTILINE)
_HEADER = re.compile(r"^\[[a-z][\w.\"-]*\] *(?:#.*)?$", re.MULTILINE)


def blocks_of(page: Path) -> Iterator[str]:
    """Yield the blocks of a page with sections of TOML, each from its first section."""
    for fenced, indented in _BLOCK.findall(page.read_text("utf-8")):
        block = fenced or textwrap.dedent(indented)
        if header := _HEADER.search(block):
            yield block[header.start() :]


BLOCKS = [pytest.param(block, id=f"{page.name}-{at}") for page in PAGES for at, block in enumerate(blocks_of(page))]


def test_the_page_is_that_of_the_code() -> None:
    """`.venv/bin/python docs/write_configuration.py` writes it again."""
    assert (ROOT / "docs" / "configuration.md").read_text("utf-8") == render_page()


def test_the_pages_have_blocks_of_toml() -> None:
    assert len(BLOCKS) > 20


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_of_a_page_is_sound(block: str) -> None:
    tables = tomllib.loads(block)
    if next(iter(tables)) in FOREIGN:
        return
    for name in list(tables):
        for section, needed in NEEDED.get(name, {}).items():
            tables[section] = needed | tables.get(section, {})
    assert [error.message for error in VALIDATOR.iter_errors(tables)] == []
    assert parse_configuration(Team("crew", Path("/nowhere/crew")), tables).fault == ""
