"""docs/agents.md names every key of the sections of agent-runner."""

from dataclasses import fields

import pytest

from helpers.prose import ROOT
from teamsup.workers.agent_runner.sections import AgentSection, RunnerSection

PAGE = (ROOT / "docs" / "agents.md").read_text("utf-8")
KEYS = sorted({field.name for section in (AgentSection, RunnerSection) for field in fields(section)})


@pytest.mark.parametrize("key", KEYS)
def test_the_page_names_every_key(key: str) -> None:
    assert f"`{key}`" in PAGE or f"`{key} = " in PAGE
