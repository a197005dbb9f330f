"""docs/workers.md describes every field of a component and of its tables."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from teamsup.config.components import Component, ComponentTables
from teamsup.config.people_protocol import CommandArgument, CommandDefinition

PAGE = (Path(__file__).parents[2] / "docs" / "workers.md").read_text("utf-8")
SET_BY_TEAMSUP = {"fault"}


@pytest.mark.parametrize("kind", [Component, ComponentTables])
def test_the_page_has_a_row_for_every_field(kind: type[Component] | type[ComponentTables]) -> None:
    table = PAGE.partition(f"| field of `{kind.__name__}` |")[2].partition("\n\n")[0]
    named = {name for line in table.splitlines() for name in re.findall(r"`(\w+)`", line.split("|")[1])}

    assert named == {field.name for field in fields(kind)} - SET_BY_TEAMSUP


def test_the_page_names_every_field_of_a_command_of_people() -> None:
    example = PAGE.partition("    CommandDefinition(\n")[2].partition("\n\n")[0]
    names = {field.name for kind in (CommandDefinition, CommandArgument) for field in fields(kind)}

    assert names - set(re.findall(r"\w+", example)) == set()
