"""Names that a person gives are completed, and matched as patterns."""

import pytest

from teamsup.terminal.candidates import match_names

NAMES = ["web", "web-a", "web-b", "job"]


@pytest.mark.parametrize(("wanted", "found"), [
    ("web", ["web"]),
    ("Web-A ", ["web-a"]),
    ("web-*", ["web-a", "web-b"]),
    ("*", NAMES),
    ("web-[bc]", ["web-b"]),
    ("?ob", ["job"]),
    ("x*", []),
    ("we", []),
    ("", []),
])  # fmt: skip
def test_a_name_means_itself_and_a_pattern_all_that_it_matches(wanted: str, found: list[str]) -> None:
    assert match_names(wanted, NAMES) == found
