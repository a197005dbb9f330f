"""``teamsup config`` shows each value with its origin and no secret; ``init`` writes the schema for editors."""

import argparse
import json
import tomllib
from collections.abc import Callable
from types import ModuleType

import pytest

from teamsup.cli.commands import config, init
from teamsup.cli.configuration.effective import EffectiveValue, find_values, find_waiting, hide_secrets
from teamsup.cli.configuration.schema import make_schema
from teamsup.hub import NotConfigured, Team, UnknownTeam

FILE = """
[team]
unread_seconds = 90
[worker.bot]
command = "run"
environment = { API_KEY = "hush" }
[source.shop]
secret_variable = "SHOP_SECRET"
silence_url = "http://ann:hush@alerts"
[monitor-bridge]
listen = "127.0.0.1:9095"
[worker.monitor-bridge]
environment = { SHOP_SECRET = "hush" }
"""


def test_a_value_comes_from_the_environment_or_the_file_or_the_default() -> None:
    tables = {"team": {"hub": "postgresql://file/crew", "keep_days": 7}}
    environment = {"TEAMSUP_HUB": "postgresql://ann:hush@db/crew?sslpassword=hush"}

    (team, *_) = find_values(tables, environment)

    values = {each.key: each for each in team.values}
    hub = EffectiveValue("hub", "postgresql://ann:(set)@db/crew?sslpassword=(set)", "environment", "TEAMSUP_HUB")
    assert values["hub"] == hub
    assert values["keep_days"] == EffectiveValue("keep_days", 7, "file")
    assert values["stop_seconds"] == EffectiveValue("stop_seconds", 10.0, "default")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"http": "http://ann:hush@x/"}, {"http": "http://ann:(set)@x/"}),
        (["curl", "-H", "Authorization: Bearer hush", "a:b@c"], ["curl", "-H", "Authorization: Bearer (set)", "a:b@c"]),
        (["bot", "--token", "hush", "--api-key=hush"], ["bot", "--token", "(set)", "--api-key=(set)"]),
        ("BOT_TOKEN=hush bot --password hush | tee out", "BOT_TOKEN=(set) bot --password (set) | tee out"),
        ("https://x/?api_key=hush&b=1", "https://x/?api_key=(set)&b=1"),
        (("~/.config/teamsup/discord_token", 7, True), ["~/.config/teamsup/discord_token", 7, True]),
    ],
)
def test_a_secret_in_a_text_is_hidden(value: object, shown: object) -> None:
    assert hide_secrets(value) == shown


@pytest.fixture
def command(team: Team, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command in this process, and returns what it prints."""
    monkeypatch.setenv("TEAMSUP_HOME", str(team.folder.parent))

    def call(module: ModuleType, *words: str, team: str = team.name) -> str:
        parser = argparse.ArgumentParser()
        parser.set_defaults(team=team)
        module.add_arguments(parser)
        module.run(parser.parse_args(words))
        return capsys.readouterr().out

    return call


def test_it_shows_each_value_with_its_origin_and_no_secret(team: Team, command: Callable[..., str]) -> None:
    team.create()
    team.configuration.write_text(FILE)

    shown, as_json = command(config, "show"), command(config, "show", "--json")

    assert "hush" not in shown + as_json
    lines = shown.splitlines()
    assert tomllib.loads(shown)["worker"]["bot"]["environment"] == {"API_KEY": "(set)"}
    assert any(line.split() == ["unread_seconds", "=", "90", "#", "file"] for line in lines)
    assert "# SHOP_SECRET of monitor-bridge: set in [worker.monitor-bridge] environment" in lines
    found = json.loads(as_json)
    (section,) = (each for each in found["sections"] if each["name"] == "team")
    assert {"key": "unread_seconds", "value": 90, "origin": "file", "variable": ""} in section["values"]
    assert {each["name"]: bool(each["set_in"]) for each in found["secrets"]}["SHOP_SECRET"]


def test_it_refuses_to_show_a_file_with_a_mistake(team: Team, command: Callable[..., str]) -> None:
    team.create()
    team.configuration.write_text("[team]\nkeep_days = 0\n")
    with pytest.raises(NotConfigured, match=r"\[team\] keep_days must be above 0 and at most 3650\.$"):
        command(config, "show")


def test_the_sections_that_wait_for_a_reload_are_named(team: Team) -> None:
    tables = {"team": {"keep_days": 7}, "worker": {"bot": {"command": ["run"], "environment": {"KEY": "hush"}}}}
    in_use = {"tables": {"worker": {"bot": {"command": ["run"], "environment": {"KEY": None}}, "old": {}}}}
    team.create()
    assert find_waiting(team, tables) == []

    team.accepted_configuration.write_text(json.dumps(in_use))

    assert find_waiting(team, tables) == ["team", "worker.old"]


def test_the_defaults_are_shown_with_their_ranges(command: Callable[..., str]) -> None:
    lines = [line.split("#", 1) for line in command(config, "show", "--defaults").splitlines()]
    found = {value.strip(): words.strip() for value, words in (line for line in lines if len(line) == 2)}
    assert found["keep_days = 30"] == "days, above 0 and at most 3650"
    assert "[worker.NAME]" in [line[0] for line in lines]


def test_init_writes_the_schema_that_the_first_line_names(team: Team, command: Callable[..., str]) -> None:
    command(init)

    first = team.configuration.read_text("utf-8").splitlines()[0]
    file = team.folder / first.removeprefix("#:schema ./")
    assert json.loads(file.read_text("utf-8")) == make_schema()
    assert json.loads(command(config, "schema")) == make_schema()
    assert command(config, "check").count("\n") == 1
    file.write_text("{}")
    assert command(config, "check").splitlines()[1].startswith("Its schema is of another version.")
    assert command(config, "schema", "--write") == f"Wrote {file}.\n"
    assert command(config, "check").count("\n") == 1


@pytest.mark.parametrize("words", [["show"], ["schema", "--write"]])
def test_a_team_that_never_was_has_no_values(command: Callable[..., str], words: list[str]) -> None:
    with pytest.raises(UnknownTeam, match="There is no team 'typo' in "):
        command(config, *words, team="typo")
