"""``teamsup config`` shows each value with its origin and no secret; ``init`` writes the schema for editors."""

import json
import os
import tomllib

from helpers.support import TeamsupCommand, refusal_of
from teamsup.cli.configuration.effective import EffectiveValue, find_values, hide_secrets
from teamsup.cli.configuration.schema import make_schema

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


def test_a_password_in_an_address_is_hidden_wherever_it_stands() -> None:
    value = {"ready": {"http": "http://ann:hush@x/"}, "command": ["curl", "https://ann:hush@x/", "a:b@c"]}
    assert hide_secrets(value) == {
        "ready": {"http": "http://ann:(set)@x/"},
        "command": ["curl", "https://ann:(set)@x/", "a:b@c"],
    }


def test_it_shows_each_value_with_its_origin_and_no_secret(teamsup: TeamsupCommand) -> None:
    teamsup.configure(FILE)

    shown, as_json = teamsup.run("config", "show"), teamsup.run("config", "show", "--json")

    assert "hush" not in shown.stdout + as_json.stdout
    lines = shown.stdout.splitlines()
    assert tomllib.loads(shown.stdout)["worker"]["bot"]["environment"] == {"API_KEY": "(set)"}
    assert any(line.split() == ["unread_seconds", "=", "90", "#", "file"] for line in lines)
    assert "# SHOP_SECRET of monitor-bridge: set in [worker.monitor-bridge] environment" in lines
    found = json.loads(as_json.stdout)
    team = next(each for each in found["sections"] if each["name"] == "team")
    assert {"key": "unread_seconds", "value": 90, "origin": "file", "variable": ""} in team["values"]
    assert {each["name"]: bool(each["set_in"]) for each in found["secrets"]}["SHOP_SECRET"]


def test_it_refuses_to_show_a_file_with_a_mistake(teamsup: TeamsupCommand) -> None:
    teamsup.configure("[team]\nkeep_days = 0\n")
    result = teamsup.run("config", "show")
    assert result.returncode == os.EX_CONFIG
    assert refusal_of(result).endswith("[team] keep_days must be above 0 and at most 3650.")


def test_the_defaults_are_shown_with_their_ranges(teamsup: TeamsupCommand) -> None:
    lines = [line.split("#", 1) for line in teamsup.run("config", "show", "--defaults").stdout.splitlines()]
    found = {value.strip(): words.strip() for value, words in (line for line in lines if len(line) == 2)}
    assert found["keep_days = 30"] == "days, above 0 and at most 3650"
    assert "[worker.NAME]" in [line[0] for line in lines]


def test_init_writes_the_schema_that_the_first_line_names(teamsup: TeamsupCommand) -> None:
    assert teamsup.run("init").returncode == 0

    first = teamsup.team.configuration.read_text("utf-8").splitlines()[0]
    file = teamsup.team.folder / first.removeprefix("#:schema ./")
    assert json.loads(file.read_text("utf-8")) == make_schema()
    assert json.loads(teamsup.run("config", "schema").stdout) == make_schema()
    file.unlink()
    assert teamsup.run("config", "schema", "--write").stdout == f"Wrote {file}.\n"
    assert file.exists()
