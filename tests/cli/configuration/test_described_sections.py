"""Every key of teamsup.toml has a meaning, a unit, a default and a range in one place. Its check refuses the rest."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from jsonschema import Draft7Validator

from teamsup.cli.configuration.described_sections import DescribedKey, DescribedSection, describe_sections
from teamsup.cli.configuration.schema import make_schema
from teamsup.cli.configuration.template import render_template
from teamsup.config.components import installed_components
from teamsup.config.keys import keys_of
from teamsup.config.loader import Config, choices_of
from teamsup.hub import NotConfigured, Team
from teamsup.workers.monitor_bridge.ingest.sources import PARSERS

TEAM = Team("crew", Path("/nowhere/crew"))
SCHEMA = make_schema()
VALIDATOR = Draft7Validator(SCHEMA)
NEEDED = {
    "worker": 'command = ["run"]',
    "worker/ready": 'tcp = "1"',
    "message_route": 'agents = ["lead"]\nkeywords = ["load"]',
    "watchdog": 'source = "prometheus"',
    "mute": 'matchers = ["job=backup"]\nschedule = "0 2 * * sat"',
    "person": "discord = 1",
    "rota": 'people = ["ann"]\nbegins = "2026-11-30 09:00"',
    "worker/ready.http": "",
    "worker/ready.exec": "",
    "worker/ready.log": "",
    "agent.max_usd": "usd_per_day = 1000000",
    "agent.usd_per_day": "max_usd = 0",
    "agent.schedule": 'start = ["schedule"]',
    "agent.start": 'schedule = "0 3 * * *"',
    "source.mapping": 'kind = "json"',
}
"""The least that a section needs beside any key, or beside one of them."""


def flatten(section: DescribedSection) -> Iterator[DescribedSection]:
    """Yield the section, and the tables that its keys have as values."""
    yield section
    yield from {each.table.kind: each.table for each in reversed(section.keys) if each.table is not None}.values()


SECTIONS = [each for section in describe_sections() for each in flatten(section)]
EACH_SECTION = pytest.mark.parametrize("section", SECTIONS, ids=lambda each: each.title)


def path_of(section: DescribedSection) -> str:
    """Return "worker" for [worker.NAME], and "worker/ready" for its table."""
    return section.title.replace(".NAME", "").replace("] ", "/").strip("[]")


def file_with(section: DescribedSection, key: str, value: str) -> dict[str, Any]:
    """Return the tables of a file with this key, and with the least that its section needs beside it."""
    path = path_of(section)
    table = tomllib.loads(NEEDED.get(f"{path}.{key}", NEEDED.get(path, ""))) | tomllib.loads(f"{key} = {value}")
    name, _, inner = path.partition("/")
    if inner:
        table = {inner: table} | tomllib.loads(NEEDED.get(name, ""))
    return {name: {"x": table} if SCHEMA["properties"][name]["additionalProperties"] else table}


def parse(tables: dict[str, Any]) -> str:
    """Return what the parser of the section says; empty: it is sound."""
    (name,) = tables
    config, section = Config(TEAM, tables), next(each for each in describe_sections() if each.name == name)
    try:
        if section.is_group:
            config.sections_of(name, section.kind)
        else:
            config.section(name, section.kind)
    except NotConfigured as error:
        return str(error)
    return ""


def refuse(tables: dict[str, Any]) -> list[str]:
    """Return what the schema says."""
    return [error.message for error in VALIDATOR.iter_errors(tables)]


def schema_of(section: DescribedSection, key: str) -> dict[str, Any]:
    name, _, inner = path_of(section).partition("/")
    node = SCHEMA["properties"][name]
    node = node["additionalProperties"] or node
    node = node["properties"][inner] if inner else node
    found: dict[str, Any] = node["properties"][key]
    return found


def is_number(each: DescribedKey) -> bool:
    kinds = choices_of(each.key.type)
    return any(part in (int, float) for kind in kinds for part in (get_args(kind) if get_origin(kind) else (kind,)))


def test_every_section_of_the_parser_is_described() -> None:
    accepted = {name for each in installed_components().values() for name in each.section_names}
    assert {each.name for each in describe_sections()} == {"team", "worker", "metrics", *accepted}
    for section in SECTIONS:
        assert section.text, section.title
        assert [each.key.name for each in section.keys] == list(keys_of(section.kind))


@EACH_SECTION
def test_every_key_has_a_meaning_a_unit_a_default_and_a_range(section: DescribedSection) -> None:
    """Write the meaning below the field, and the rest into its type: ``Annotated[float, Number("seconds", 1, 60)]``."""
    lacks = []
    for each in section.keys:
        key, number = each.key, each.key.number
        lacks += [f"{key.name}: a docstring below it, of sentences"] if not re.fullmatch(r".+\.", each.meaning) else []
        lacks += [f"{key.name}: a Number with its unit and its range"] if is_number(each) and not number else []
        lacks += [f"{key.name}: an end of its range"] if number and not number.least < number.most < 1e19 else []
        lacks += [f"{key.name}: a unit"] if number and not number.unit else []
        lacks += [f"{key.name}: an Example"] if not key.example and key.default in (None, "", (), {}) else []
        assert each.range
    assert lacks == []


@EACH_SECTION
def test_the_parser_and_the_schema_accept_each_example_and_each_default(section: DescribedSection) -> None:
    for each in section.keys:
        node = schema_of(section, each.key.name)
        assert "default" not in node or not list(Draft7Validator(node).iter_errors(node["default"]))
        if each.key.example:
            tables = file_with(section, each.key.name, each.key.example)
            assert (refuse(tables), parse(tables)) == ([], "")


@EACH_SECTION
def test_a_number_has_the_same_range_in_the_schema_and_in_the_parser(section: DescribedSection) -> None:
    for each in filter(is_number, section.keys):
        node = schema_of(section, each.key.name)
        rule = next(one for one in (node, node.get("items", {}), *node.get("anyOf", ())) if "maximum" in one)
        step = 1 if rule["type"] == "integer" else 1e-3
        low, high = rule.get("minimum", rule.get("exclusiveMinimum")), rule["maximum"]
        good, bad = [low, high, low + step, high - step], [low - step, high + step, high * 2]
        if "exclusiveMinimum" in rule:
            good.remove(low)
            bad.append(low)
        for number in (*good, *bad):
            toml = str(int(number)) if rule["type"] == "integer" else repr(float(number))
            tables = file_with(section, each.key.name, f"[{toml}]" if "items" in node else toml)
            said = parse(tables)
            assert (bool(refuse(tables)), bool(said)) == (number in bad, number in bad), f"{each.key.name}: {number}"
            assert not said or f"must be {each.range.removeprefix('a list, each ')}." in said


@pytest.mark.parametrize(
    ("toml", "key", "is_sound"),
    [
        ("[source.x]\nstale_seconds = 0", "stale_seconds", True),
        ("[source.x]\nstale_seconds = 1", "stale_seconds", False),
        ('[agent-runner]\nmemory_max = "4 gigs"', "memory_max", False),
        ('[agent-runner]\nmemory_max = " 1.5gib "', "memory_max", True),
        ('[worker.x]\ncommand = "run"\numask = "27"', "umask", False),
        ('[source.x]\nsecret_variable = "A-B"', "secret_variable", False),
        ('[gateway]\nanswer = "never"', "answer", False),
        ('[gateway]\nanswer_in = { "7" = "never" }', "answer_in", False),
        ('[agent.x]\nsetting_sources = ["user", "team"]', "setting_sources", False),
        ('[alert_route.x]\nseverity = ["fatal"]', "severity", False),
        ('[source.x]\nkind = "nagios"', "kind", False),
        ('[team]\nstandby = "yes"', "standby", False),
        ("[team]\nkeep_days = true", "keep_days", False),
        ("[gateway]\nusers = [1.5]", "users", False),
        ("[team]\nagnets = []", "agnets", False),
        ("[watchdog.x]\nevery_seconds = 5", "source", False),
        ('[worker.x]\ncommand = "run"\nready = { tcp = "1", evry_seconds = 5 }', "evry_seconds", False),
    ],
)
def test_the_schema_refuses_the_same_as_the_parser(toml: str, key: str, *, is_sound: bool) -> None:
    tables = tomllib.loads(toml)
    said = parse(tables)
    assert (not refuse(tables), not said) == (is_sound, is_sound)
    assert is_sound or key in said


def test_the_schema_is_one_of_draft_7_and_has_no_open_table() -> None:
    def open_tables(node: object) -> Iterator[object]:
        if isinstance(node, dict):
            if "properties" in node and node.get("additionalProperties") is not False:
                yield node
            for below in node.values():
                yield from open_tables(below)

    Draft7Validator.check_schema(SCHEMA)
    assert list(open_tables(SCHEMA)) == []
    assert refuse({"temas": {}}) != []
    assert set(SCHEMA["properties"]["source"]["additionalProperties"]["properties"]["kind"]["enum"]) == set(PARSERS)


def test_the_template_is_sound_and_sets_nothing() -> None:
    text = render_template()
    assert text.startswith("#:schema ./teamsup.schema.json\n")
    assert [line for line in text.splitlines() if len(line) > 120] == []
    tables = tomllib.loads(text)
    assert refuse(tables) == []
    assert set(tables) > {"team", "gateway"}
    assert not any(tables.values())


@pytest.mark.parametrize("section", describe_sections(), ids=lambda each: each.title)
def test_the_template_has_each_key_with_a_value_to_uncomment(section: DescribedSection) -> None:
    _, header, rest = render_template().partition(
        f"\n# [{section.name}.example]\n" if section.is_group else f"\n{section.title}\n"
    )
    assert header
    lines = [line.removeprefix("# ") for line in rest.partition("\n\n")[0].splitlines()]
    found = [next(iter(tomllib.loads(line))) for line in lines if re.match(r"[a-z_]+ = ", line)]
    assert found == [each.key.name for each in section.keys]
