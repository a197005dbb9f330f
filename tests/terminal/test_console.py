"""The names of people at terminals."""

import pytest

from teamsup.terminal.console import person_name


@pytest.mark.parametrize(
    ("console", "person"),
    [("console-ann", "ann"), ("console-ann-4711", "ann"), ("console-ann-b", "ann-b"), ("lead", "lead"), ("Ann", "Ann")],
)
def test_a_person_is_called_by_the_name_without_the_console(console: str, person: str) -> None:
    assert person_name(console) == person
