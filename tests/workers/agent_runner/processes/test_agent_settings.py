"""What people read of a trouble that only they can end."""

import re

import pytest

from teamsup.config.loader import Config
from teamsup.hub import Team
from teamsup.workers.agent_runner.processes.agent_settings import AgentSettings
from teamsup.workers.agent_runner.run_table import AgentPause


@pytest.mark.parametrize(
    ("kind", "name", "sentence"),
    [
        ("agent", "gcp", "No run of gcp starts: it is shut. Correct it, then run: teamsup agents resume gcp"),
        (
            "login",
            "/night",
            "No run starts with the login /night: it is shut. Correct it, then run: teamsup agents resume oci",
        ),
        (
            "login",
            "",
            "No run starts with your login of Claude Code: it is shut. Correct it, then run: teamsup agents resume gcp",
        ),
        ("login", "/gone", "No run starts with the login /gone: it is shut."),
    ],
)
def test_an_incident_is_described_with_what_to_do(team: Team, kind: str, name: str, sentence: str) -> None:
    oci = {"environment": {"CLAUDE_CONFIG_DIR": "/night"}}
    settings = AgentSettings(team, Config(team, {"agent": {"gcp": {}, "oci": oci}}))
    pause = AgentPause(kind, name, "it is shut.", 0.0, is_incident=True)  # type: ignore[arg-type]
    words = settings.describe_incident(pause)
    assert re.sub(r"TEAMSUP_HOME=\S+ |( --team \S+)", "", words) == sentence
