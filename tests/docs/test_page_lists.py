"""Pages that list commands, kinds of sources, and sections name each of them."""

import re

import pytest

from helpers.prose import ROOT
from teamsup.cli.command_line import COMMANDS
from teamsup.cli.component_commands import find_commands
from teamsup.config.components import installed_components
from teamsup.workers.monitor_bridge.ingest.sources import PARSERS

COMMANDS_PAGE = (ROOT / "docs" / "commands.md").read_text("utf-8")
MONITORING_PAGE = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
TEMPLATE = (ROOT / "supervisor" / "teamsup" / "cli" / "teamsup.toml").read_text("utf-8")
SECTIONS = [name for name, each in installed_components().items() if each.section is not None]


@pytest.mark.parametrize("name", [*COMMANDS, *find_commands(COMMANDS)])
def test_the_page_of_commands_names_each(name: str) -> None:
    assert re.search(rf"`teamsup {name}\b", COMMANDS_PAGE)


@pytest.mark.parametrize("kind", PARSERS)
def test_each_kind_of_a_source_is_described(kind: str) -> None:
    assert f'`kind = "{kind}"`' in MONITORING_PAGE
    assert re.search(rf"^\| `{kind}` \|", MONITORING_PAGE, re.MULTILINE)
    assert re.search(rf"^# kind = .*\b{kind}\b", TEMPLATE, re.MULTILINE)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_template_has_each_section_of_a_worker(section: str) -> None:
    assert re.search(rf"^(# )?\[{section}\]", TEMPLATE, re.MULTILINE)
