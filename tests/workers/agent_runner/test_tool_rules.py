"""Rules about tools, as Claude Code writes them."""

import pytest

from teamsup.workers.agent_runner.tool_rules import is_denied_before_people


@pytest.mark.parametrize(
    ("rule", "is_before"),
    [
        ("Skill", True),
        ("Skill(*)", True),
        ("Bash(git push:*)", True),
        ("Edit(./docs/[ab])", True),
        ("WebFetch(domain:example.com)", True),
        ("WebFetch(domain:*.example.com)", False),
        ("Agent(deployer)", False),
    ],
)
def test_some_rules_of_denial_apply_before_people_are_asked(rule: str, is_before: bool) -> None:
    assert is_denied_before_people(rule) is is_before
