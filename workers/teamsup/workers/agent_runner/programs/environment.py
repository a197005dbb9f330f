"""The environment of a run's processes. It is built from nothing, not inherited, so that it does not contain a secret
of the team.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from teamsup.config.env_file import UnusableEnvFile, read_env_file
from teamsup.hub import NotConfigured, Team

from ..run import Run
from ..sections import AgentSection

_INHERITED = (
    "HOME",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "PATH",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "TMPDIR",
    "TZ",
    "USER",
)
_INHERITED_IN_ANY_CASE = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def build_environment(
    team: Team, run: Run, agent: AgentSection, inherited: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the whole environment of a run's process. Raise NotConfigured when the agent's env_file cannot be used.

    Some variables come from ``inherited``, by default the environment of this process. Variables of the agent's section
    come last, but cannot change the agent's identity.
    """
    ours = os.environ if inherited is None else inherited
    taken = {
        name: value
        for name, value in ours.items()
        if name in _INHERITED or name.startswith("LC_") or name.upper() in _INHERITED_IN_ANY_CASE
    }
    return {
        "PATH": _DEFAULT_PATH,
        "LANG": "C.UTF-8",
        **taken,
        **agent.environment,
        **_read_file(team, agent),
        "TEAMSUP": _find_teamsup(),
        "TEAMSUP_HOME": str(team.folder.parent),
        "TEAMSUP_TEAM": team.name,
        "TEAMSUP_AGENT": run.agent,
        "TEAMSUP_RUN": run.mark,
    }


def _read_file(team: Team, agent: AgentSection) -> dict[str, str]:
    if not agent.env_file:
        return {}
    try:
        return dict(read_env_file(team.folder / Path(agent.env_file).expanduser()))
    except UnusableEnvFile as error:
        raise NotConfigured(f"{error}.") from error


def _find_teamsup() -> str:
    """Return the command beside the running Python, or else the command on the PATH."""
    beside = Path(sys.executable).with_name("teamsup")
    return str(beside) if beside.is_file() else shutil.which("teamsup") or "teamsup"
