"""'teamsup init --claude': a project of Claude Code's takes part in the team, and nothing that was there is harmed."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from helpers.support import TeamsupCommand, refusal_of
from teamsup.cli.main import main
from teamsup.config.resources import resource_path
from teamsup.hub import MessageHub

TOOLS = "mcp__plugin_teamsup_teamsup__*"
PLUGIN_SOURCE = {"source": {"source": "directory", "path": str(resource_path("claude"))}}
FOREIGN: dict[str, Any] = {
    "model": "opus",
    "env": {"EDITOR": "vi"},
    "permissions": {"deny": ["WebFetch"], "allow": ["Bash(ls:*)"]},
    "hooks": {"Stop": [{"hooks": [{"type": "command", "command": "true"}]}]},
    "enabledPlugins": {"other@market": True},
    "extraKnownMarketplaces": {"market": {"source": {"source": "github", "repo": "a/b"}}},
}


@dataclass(frozen=True)
class InitSetup(TeamsupCommand):
    """Somebody with a home folder and a project."""

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in super().environment.items() if name != "CLAUDE_CONFIG_DIR"}
        return {**kept, "HOME": str(self.home), "PATH": f"{self.home / 'bin'}:{kept['PATH']}"}

    @property
    def project(self) -> Path:
        return self.home / "work" / "project"

    @property
    def settings(self) -> Path:
        return self.project / ".claude" / "settings.local.json"

    @property
    def shared(self) -> Path:
        return self.project / ".claude" / "settings.json"

    def writes(self, text: str) -> None:
        self.settings.parent.mkdir(exist_ok=True)
        self.settings.write_bytes(text.encode())

    def has(self) -> dict[str, Any]:
        return dict(json.loads(self.settings.read_text("utf-8-sig")))

    def calls(self, *words: str) -> subprocess.CompletedProcess[str]:
        """``teamsup`` in this process, which spares its start."""
        home = mock.patch.dict(os.environ, self.environment, clear=True)
        out, err = StringIO(), StringIO()
        with home, redirect_stdout(out), redirect_stderr(err):
            code = main(words)
        return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())

    def tries(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.calls("init", "--claude", "--project", str(self.project), *words)

    def init(self, *words: str) -> str:
        """What it said; nothing on stderr."""
        result = self.tries(*words)
        assert (result.returncode, result.stderr) == (0, "")
        return result.stdout

    def known(self) -> list[str]:
        with MessageHub(self.team) as hub:
            return [agent.name for agent in hub.agents()]


@pytest.fixture
def init_setup(tmp_path: Path) -> InitSetup:
    made = InitSetup(tmp_path / "home")
    made.project.mkdir(parents=True)
    trusted = {"projects": {str(made.project.resolve()): {"hasTrustDialogAccepted": True}}}
    (made.home / ".claude.json").write_text(json.dumps(trusted))
    return made


def everything_in(folder: Path) -> dict[str, object]:
    return {
        str(path): path.read_bytes() if path.is_file() else (path.lstat().st_mode, path.lstat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }


def test_a_project_takes_part_through_the_plugin(init_setup: InitSetup) -> None:
    result = init_setup.run("init", "--claude", "--project", str(init_setup.project), "--agent", "Lead")

    assert (result.returncode, result.stderr) == (0, "")
    assert init_setup.has() == {
        "extraKnownMarketplaces": {"teamsup": PLUGIN_SOURCE},
        "enabledPlugins": {"teamsup@teamsup": True},
        "env": {
            "TEAMSUP_AGENT": "lead",
            "TEAMSUP_HOME": str(init_setup.home),
            "TEAMSUP": str(Path(sys.executable).with_name("teamsup")),
        },
        "permissions": {"allow": [TOOLS]},
    }
    assert f"Wrote: {init_setup.settings}\n" in result.stdout
    assert "Enrolled in team 'default': lead\n" in result.stdout
    assert stat.S_IMODE(init_setup.settings.stat().st_mode) == 0o644


def test_its_agents_can_be_written_to_before_they_come(init_setup: InitSetup) -> None:
    init_setup.init("--agent", "lead")
    assert init_setup.known() == ["lead"]

    said = init_setup.init("--agents", "gcp-monitor,Alert-Manager")

    assert "Enrolled in team 'default': gcp-monitor, alert-manager\n" in said
    assert init_setup.known() == ["alert-manager", "gcp-monitor", "lead"]
    assert init_setup.run("send", "gcp-monitor", "hello").returncode == 0


def test_an_agent_that_the_plugin_does_not_have_is_refused(init_setup: InitSetup) -> None:
    refused = init_setup.tries("--agents", "aws-monitor")

    sentence = "The plugin has no agent 'aws-monitor'; it has alert-manager, gcp-monitor, oci-monitor."
    assert (refused.returncode, refusal_of(refused)) == (os.EX_USAGE, f"teamsup: {sentence}")
    assert not init_setup.settings.exists()


def test_a_second_time_there_is_nothing_to_do(init_setup: InitSetup) -> None:
    init_setup.init("--agent", "lead", "--team", "crew")
    before = everything_in(init_setup.project)

    said = init_setup.init()

    assert said.startswith(f"Nothing to do: the sessions of {init_setup.project} are agent 'lead' of team 'crew'.\n")
    assert everything_in(init_setup.project) == before


def test_the_change_is_shown_as_a_diff(init_setup: InitSetup) -> None:
    init_setup.writes(json.dumps(FOREIGN, indent=2) + "\n")

    said = init_setup.init().splitlines()

    assert said[:2] == [f"--- {init_setup.settings}", f"+++ {init_setup.settings}"]
    hunks = said[2 : said.index(f"Wrote: {init_setup.settings}")]
    assert '+    "teamsup@teamsup": true' in hunks
    taken = [line[1:] for line in hunks if line.startswith("-")]
    # Only the lines that get a comma.
    assert all(f"+{line}," in hunks for line in taken)


STYLES = {
    "two blanks": lambda value: json.dumps(value, indent=2) + "\n",
    "four blanks": lambda value: json.dumps(value, indent=4) + "\n",
    "tabs": lambda value: json.dumps(value, indent="\t") + "\n",
    "line ends of Windows": lambda value: (json.dumps(value, indent=2) + "\n").replace("\n", "\r\n"),
}


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES.keys())
def test_an_existing_file_keeps_its_style_and_a_removal_restores_it(
    init_setup: InitSetup, style: Callable[[object], str]
) -> None:
    init_setup.writes(style(FOREIGN))

    init_setup.init()

    now = init_setup.has()
    assert {**now, "env": now["env"]["EDITOR"]} == {
        **FOREIGN,
        "env": "vi",
        "permissions": {"deny": ["WebFetch"], "allow": ["Bash(ls:*)", TOOLS]},
        "enabledPlugins": {"other@market": True, "teamsup@teamsup": True},
        "extraKnownMarketplaces": {"market": FOREIGN["extraKnownMarketplaces"]["market"], "teamsup": PLUGIN_SOURCE},
    }
    assert init_setup.settings.read_bytes() == style(now).encode()
    init_setup.init("--remove")
    assert init_setup.settings.read_bytes() == style(FOREIGN).encode()


def test_a_file_written_by_hand_means_the_same_afterwards(init_setup: InitSetup) -> None:
    init_setup.writes(
        "{\n" + ",\n".join(f" {json.dumps(key)} :{json.dumps(value)}" for key, value in FOREIGN.items()) + "}"
    )

    init_setup.init()
    init_setup.init("--remove")

    assert list(init_setup.has().items()) == list(FOREIGN.items())


def test_removal_takes_away_a_file_that_only_init_has_written(init_setup: InitSetup) -> None:
    before = everything_in(init_setup.project)
    init_setup.init()

    assert f"Removed: {init_setup.settings}\n" in init_setup.init("--remove")
    assert everything_in(init_setup.project) == before
    assert init_setup.init("--remove") == (
        f"Nothing to do: the settings of {init_setup.project} contain nothing of teamsup.\n"
    )


def test_a_shared_file_has_no_path_of_this_machine(init_setup: InitSetup) -> None:
    before = everything_in(init_setup.project)
    init_setup.init("--shared", "--agent", "chief", "--team", "crew")

    assert json.loads(init_setup.shared.read_text()) == {
        "enabledPlugins": {"teamsup@teamsup": True},
        "env": {"TEAMSUP_AGENT": "chief", "TEAMSUP_TEAM": "crew"},
        "permissions": {"allow": [TOOLS]},
    }
    assert init_setup.has() == {
        "extraKnownMarketplaces": {"teamsup": PLUGIN_SOURCE},
        "env": {"TEAMSUP_HOME": str(init_setup.home), "TEAMSUP": str(Path(sys.executable).with_name("teamsup"))},
    }
    assert init_setup.init("--shared").startswith("Nothing to do: ")
    init_setup.init("--remove")
    assert everything_in(init_setup.project) == before


def test_a_second_machine_adds_only_its_own_part_to_what_is_shared(init_setup: InitSetup) -> None:
    init_setup.shared.parent.mkdir()
    init_setup.shared.write_text('{"env": {"TEAMSUP_AGENT": "chief"}}\n')
    init_setup.init("--shared")
    shared = init_setup.shared.read_bytes()
    init_setup.settings.unlink()

    said = init_setup.init("--shared")

    assert init_setup.shared.read_bytes() == shared
    assert "are agent 'chief' of team 'default'" in said
    assert "TEAMSUP" in init_setup.has()["env"]


def test_a_file_that_an_older_teamsup_has_written_loses_its_paths_when_shared(init_setup: InitSetup) -> None:
    init_setup.init("--agent", "lead")
    init_setup.settings.rename(init_setup.shared)

    init_setup.init("--shared")

    assert str(init_setup.home) not in init_setup.shared.read_text()
    assert init_setup.has()["extraKnownMarketplaces"] == {"teamsup": PLUGIN_SOURCE}


def test_a_removal_takes_back_whom_nobody_has_met(init_setup: InitSetup) -> None:
    init_setup.init("--agent", "chief", "--agents", "gcp,oci")
    with MessageHub(init_setup.team, agent="oci-monitor") as oci:
        oci.register()
    assert init_setup.known() == ["chief", "gcp-monitor", "oci-monitor"]

    assert "Would take out of team 'default': chief\n" in init_setup.init("--remove", "--dry-run")
    said = init_setup.init("--remove", "--agents", "gcp,oci")

    assert "Taken out of team 'default': chief, gcp-monitor\n" in said
    assert "Agents that have taken part, or have messages, stay in the team.\n" in said
    assert init_setup.known() == ["oci-monitor"]


def test_a_removal_keeps_an_agent_that_has_messages(init_setup: InitSetup) -> None:
    init_setup.init()
    assert init_setup.calls("send", "lead", "hello").returncode == 0

    init_setup.init("--remove")

    assert "lead" in init_setup.known()


def test_a_dry_run_writes_nothing(init_setup: InitSetup) -> None:
    before = everything_in(init_setup.home)

    said = init_setup.init("--dry-run", "--agent", "lead")

    assert everything_in(init_setup.home) == before
    assert f"Would write: {init_setup.settings}\n" in said
    assert "Would enroll in team 'default': lead\n" in said
    assert '+    "TEAMSUP_AGENT": "lead",' in said
    init_setup.init()
    before = everything_in(init_setup.project)
    assert f"Would remove: {init_setup.settings}\n" in init_setup.init("--remove", "--dry-run")
    assert everything_in(init_setup.project) == before


def test_a_dry_run_of_a_team_that_runs_reports_only_who_is_missing(init_setup: InitSetup) -> None:
    with MessageHub(init_setup.team) as hub:
        for name in ("lead", "gcp-monitor"):
            hub.enroll(name)

    said = init_setup.init("--dry-run", "--agents", "gcp-monitor,alert-manager")

    assert "Would enroll in team 'default': alert-manager\n" in said


def test_settings_of_an_older_teamsup_are_updated_in_place(init_setup: InitSetup) -> None:
    init_setup.init("--agent", "lead")
    old = init_setup.has()
    old["extraKnownMarketplaces"]["teamsup"] = {
        "autoUpdate": False,
        "source": {"source": "directory", "path": "/gone/teamsup/deploy/claude"},
    }
    old["env"]["TEAMSUP"] = "/gone/bin/teamsup"
    init_setup.writes(json.dumps(old, indent=2))

    init_setup.init()

    now = init_setup.has()
    assert now["extraKnownMarketplaces"]["teamsup"] == {"autoUpdate": False, **PLUGIN_SOURCE}
    assert now["env"]["TEAMSUP"] == str(Path(sys.executable).with_name("teamsup"))
    assert list(now) == list(old)
    assert now["permissions"]["allow"] == [TOOLS]


def test_the_choice_of_a_person_stays_unless_the_command_says_otherwise(init_setup: InitSetup) -> None:
    wrapper = init_setup.home / "wrapper.sh"
    wrapper.touch(0o755)
    chosen = {"TEAMSUP_AGENT": "Scout", "TEAMSUP_TEAM": "crew", "TEAMSUP_HOME": "~", "TEAMSUP": str(wrapper)}
    init_setup.writes(json.dumps({"env": chosen, "permissions": {"allow": ["mcp__plugin_teamsup_teamsup"]}}))

    init_setup.init()

    assert init_setup.has()["env"] == chosen
    assert init_setup.has()["permissions"] == {"allow": ["mcp__plugin_teamsup_teamsup"]}
    init_setup.init("--agent", "lead", "--team", "default")
    assert init_setup.has()["env"] == {**chosen, "TEAMSUP_AGENT": "lead", "TEAMSUP_TEAM": "default"}


def test_a_command_that_is_on_everybodys_path_needs_no_mention(init_setup: InitSetup) -> None:
    (init_setup.home / "bin").mkdir()
    (init_setup.home / "bin" / "teamsup").symlink_to(Path(sys.executable).with_name("teamsup"))

    init_setup.init()

    assert "TEAMSUP" not in init_setup.has()["env"]


def test_a_marketplace_that_somebody_keeps_elsewhere_stays(init_setup: InitSetup) -> None:
    own = {"teamsup": {"source": {"source": "github", "repo": "me/teamsup"}}}
    init_setup.writes(json.dumps({"extraKnownMarketplaces": own}))

    result = init_setup.tries()

    assert "Claude Code has not installed teamsup@teamsup. Install it with: claude plugin install" in result.stderr
    assert init_setup.has()["extraKnownMarketplaces"] == own
    init_setup.init("--remove")
    assert init_setup.has() == {"extraKnownMarketplaces": own}


def test_a_second_server_in_the_same_sessions_is_reported_and_left_alone(init_setup: InitSetup) -> None:
    servers = init_setup.project / ".mcp.json"
    servers.write_text('{"mcpServers": {"mail": {"command": "/x/teamsup", "args": ["mcp", "--agent", "lead"]}}}')
    before = servers.read_bytes()

    result = init_setup.tries()

    assert "several servers at once: plugin teamsup@teamsup, server 'mail' in the project's .mcp.json" in result.stderr
    assert "claude mcp remove mail" in result.stderr
    assert result.returncode == 0
    assert servers.read_bytes() == before


def test_a_link_is_followed_and_the_rights_stay(init_setup: InitSetup) -> None:
    kept = init_setup.home / "dotfiles.json"
    kept.write_text("{}\n")
    kept.chmod(0o640)
    init_setup.settings.parent.mkdir()
    init_setup.settings.symlink_to(kept)

    init_setup.init()

    assert init_setup.settings.is_symlink()
    assert TOOLS in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640
    init_setup.init("--remove")
    assert init_setup.settings.is_symlink()
    assert kept.read_text() == "{}\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"model" "opus"}', ", line 1, column 10: Expecting ':' delimiter"),
        ('{\n  // mine\n  "model": "opus"\n}', ", line 2, column 3: JSON does not allow comments"),
        ("", ", line 1, column 1: Expecting value"),
        ("[]", ": the whole file is not an object"),
        ('{\n  "env": []\n}', ": env is not an object"),
        ('{"env": {"TEAMSUP_AGENT": 7}}', ": env.TEAMSUP_AGENT is not a string"),
        ('{"enabledPlugins": ["teamsup"]}', ": enabledPlugins is not an object"),
        ('{"extraKnownMarketplaces": 1}', ": extraKnownMarketplaces is not an object"),
        ('{"extraKnownMarketplaces": {"teamsup": "x"}}', ": extraKnownMarketplaces.teamsup is not an object"),
        ('{"permissions": null}', ": permissions is not an object"),
        ('{"permissions": {"allow": "Bash"}}', ": permissions.allow is not a list"),
    ],
)
@pytest.mark.parametrize("words", [[], ["--remove"], ["--dry-run"]], ids=["init", "remove", "dry run"])
def test_settings_that_are_not_understood_are_refused_and_nothing_is_written(
    init_setup: InitSetup, text: str, why: str, words: list[str]
) -> None:
    init_setup.writes(text)
    before = everything_in(init_setup.home)

    result = init_setup.tries(*words)

    assert refusal_of(result) == f"teamsup: {init_setup.settings}{why}."
    assert result.returncode == os.EX_DATAERR
    assert everything_in(init_setup.home) == before


def test_bytes_that_are_not_text_are_refused_with_their_place(init_setup: InitSetup) -> None:
    init_setup.settings.parent.mkdir()
    init_setup.settings.write_bytes(b'{\n  "model": "\xff"}')

    result = init_setup.tries()

    assert refusal_of(result) == f"teamsup: {init_setup.settings}, line 2: this is not valid UTF-8."
    assert result.returncode == os.EX_DATAERR


def test_unknown_servers_are_reported_and_not_changed(init_setup: InitSetup) -> None:
    init_setup.project.joinpath(".mcp.json").write_text('{"mcpServers": ')

    result = init_setup.tries()

    assert f"teamsup: {init_setup.project}/.mcp.json, line 1, column 16: Expecting value. Claude Code" in result.stderr
    assert result.returncode == 0


@pytest.mark.parametrize(
    ("obstacle", "why"),
    [
        ("settings are a folder", "is not readable: Is a directory"),
        ("folder is a file", "is not readable: Not a directory"),
        ("dangling symlink", "it is a dangling symlink"),
    ],
)
def test_a_folder_that_cannot_be_written_is_refused_and_nobody_enrolled(
    init_setup: InitSetup, obstacle: str, why: str
) -> None:
    match obstacle:
        case "settings are a folder":
            init_setup.settings.mkdir(parents=True)
        case "folder is a file":
            init_setup.settings.parent.write_text("")
        case _:
            init_setup.settings.parent.symlink_to(init_setup.home / "no" / "such" / "folder")
    before = everything_in(init_setup.home)

    result = init_setup.tries()

    assert why in result.stderr
    assert result.returncode == os.EX_DATAERR
    assert everything_in(init_setup.home) == before


def test_a_home_of_teams_that_only_the_project_names_is_used_and_shown_in_the_hint(init_setup: InitSetup) -> None:
    teams = init_setup.home / "my teams"
    init_setup.writes(json.dumps({"env": {"TEAMSUP_HOME": str(teams)}}))

    with mock.patch.object(InitSetup, "environment", init_setup.environment | {"TEAMSUP_HOME": ""}):
        said = init_setup.init()

    assert f"Check the setup with: TEAMSUP_HOME='{teams}' teamsup doctor --project {init_setup.project}" in said
    assert (teams / "default" / "messages.db").exists()


def test_a_folder_that_is_missing_or_belongs_to_all_projects_is_refused(init_setup: InitSetup) -> None:
    missing = init_setup.calls("init", "--claude", "--project", str(init_setup.home / "nowhere"))
    own = init_setup.calls("init", "--claude", "--project", str(init_setup.home))

    assert refusal_of(missing) == f"teamsup: There is no folder {init_setup.home}/nowhere."
    assert "is not a project: its .claude folder applies to all" in refusal_of(own)
    assert not init_setup.home.joinpath(".claude").exists()


def test_the_name_of_a_daemon_is_refused_before_anything_is_written(init_setup: InitSetup) -> None:
    with MessageHub(init_setup.team) as hub:
        hub.enroll("own-daemon", "daemon")

    result = init_setup.tries("--agent", "own-daemon")

    assert "'own-daemon' is the team's daemon of that name" in refusal_of(result)
    assert not init_setup.settings.exists()
    assert init_setup.known() == ["own-daemon"]


def test_a_store_that_cannot_be_used_leaves_the_project_alone(init_setup: InitSetup) -> None:
    init_setup.team.create()
    init_setup.team.database.write_text("this is not a database, but long enough to be looked at as one")

    result = init_setup.tries()

    assert "is not a SQLite database" in refusal_of(result)
    assert not init_setup.settings.exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--project", "."], "--project needs --claude."),
        (["--dry-run"], "--dry-run needs --claude."),
        (["--shared"], "--shared needs --claude."),
        (["--claude", "--force"], "--force replaces a teamsup.toml. It cannot be used with --claude."),
        (["--claude", "--agent", "../x"], "'../x' is not a name for an agent"),
    ],
)
def test_options_that_do_not_go_together_are_refused(init_setup: InitSetup, words: list[str], why: str) -> None:
    result = init_setup.calls("init", *words)

    assert why in refusal_of(result)
    assert result.returncode == os.EX_USAGE
