"""Pages that list commands, and kinds of sources, name each of them."""

import re

import pytest

from helpers.source_tree import ROOT
from teamsup.cli.command_line import COMMANDS
from teamsup.cli.component_commands import find_commands
from teamsup.workers.monitor_bridge.ingest.sources import PARSERS

COMMANDS_PAGE = (ROOT / "docs" / "commands.md").read_text("utf-8")
MONITORING_PAGE = (ROOT / "docs" / "monitoring.md").read_text("utf-8")


@pytest.mark.parametrize("name", [*COMMANDS, *find_commands(COMMANDS)])
def test_the_page_of_commands_names_each(name: str) -> None:
    assert re.search(rf"`teamsup {name}\b", COMMANDS_PAGE)


@pytest.mark.parametrize("kind", PARSERS)
def test_each_kind_of_a_source_is_described(kind: str) -> None:
    assert f'`kind = "{kind}"`' in MONITORING_PAGE
    assert re.search(rf"^\| `{kind}` \|", MONITORING_PAGE, re.MULTILINE)
