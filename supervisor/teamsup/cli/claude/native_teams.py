"""Claude Code's own use of ~/.claude/teams, which is also the default folder of teams.

Claude Code keeps the mailboxes of its agent teams there. Each team has a folder with a config.json and inboxes/, which
is removed with the team. Every session may read all files below ~/.claude/teams without asking a person.
"""

import tomllib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from teamsup.claude_code.native_teammates import NATIVE_INBOX, teams_folder
from teamsup.hub import Agent, Team
from teamsup.terminal.findings import Finding, Verdict

_CREDENTIAL_FILES = ("token_file", "secret_file", "env_file", "password_file")


def check_native_teams(team: Team, agents: Iterable[Agent] = ()) -> list[Finding]:
    """Check that Claude Code does not use the folder of this team for its own team, and that sessions cannot read
    credentials. Also check that sessions can write the mailboxes of their teammates.
    """
    found = [*_check_inboxes(agents)]
    if (team.folder / "config.json").is_file() or (team.folder / "inboxes").is_dir():
        text = f"Claude Code has an agent team of its own in {team.folder}, and removes that folder with it"
        hint = "Give your team another name, or another folder by TEAMSUP_HOME."
        found.append(Finding("team", Verdict.WARNING, text, hint))
    teams = teams_folder().resolve()
    if team.folder.resolve().is_relative_to(teams):
        for what in find_exposed_credentials(_read(team.configuration), team.folder, teams):
            text = f"every session of Claude Code may read {what} without asking, because it is below {teams}"
            hint = "Move it to a file elsewhere that only you may read, such as ~/.config/teamsup/NAME, and name that."
            found.append(Finding("team", Verdict.WARNING, text, hint))
    return found


def _check_inboxes(agents: Iterable[Agent]) -> Iterator[Finding]:
    now = datetime.now(UTC)
    for agent in agents:
        if (trouble := agent.metadata.get(NATIVE_INBOX)) and agent.is_present(now):
            text = f"its session cannot write to the inbox file of a teammate in Claude Code: {trouble}"
            hint = "The file was not changed. The messages wait unread in the team; the session tries again."
            yield Finding(agent.name, Verdict.WARNING, text, hint)


def find_exposed_credentials(configuration: object, folder: Path, teams: Path) -> Iterator[str]:
    """Yield the credentials that a configuration in ``folder`` exposes: files below ``teams``, and the password in the
    address of a store.
    """
    if not isinstance(configuration, dict):
        return
    for key, value in configuration.items():
        if key in _CREDENTIAL_FILES and isinstance(value, str):
            file = (folder / Path(value).expanduser()).resolve()
            if file.is_relative_to(teams):
                yield str(file)
        elif key == "hub" and isinstance(value, str) and ":" in value.partition("://")[2].rpartition("@")[0]:
            yield 'the password in hub = "…"'
        for each in value if isinstance(value, list) else [value]:
            yield from find_exposed_credentials(each, folder, teams)


def _read(file: Path) -> object:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        # Another check reports it.
        return None
