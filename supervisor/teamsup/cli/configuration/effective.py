"""The values that result from teamsup.toml, the environment and the defaults. Pure, except for find_waiting."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from teamsup.hub import Team
from teamsup.hub.engines.choice import ADDRESS_VARIABLE
from teamsup.supervisor.configuration.team_configuration import TeamConfiguration, secrets_of

from .described_sections import DescribedKey, DescribedSection, describe_sections

Origin = Literal["file", "environment", "default"]
SET = "(set)"
"""The text that is shown in place of a secret."""
_VARIABLES = {("team", "hub"): ADDRESS_VARIABLE}
"""The variables that take precedence over a key of the file."""
_CONFIDENTIAL = r"[\w-]*(?:token|secret|passw(?:or)?d|passphrase|api[_-]?key)[\w-]*"
_SECRET = re.compile(
    rf"(?<=://)([^/\s:@]*:)[^/\s@]+(?=@)|(\b{_CONFIDENTIAL}\s*[=:]\s*|--?{_CONFIDENTIAL}\s+|\bbearer\s+)[^&\s]+",
    re.IGNORECASE,
)
_SECRET_OPTION = re.compile(rf"--?{_CONFIDENTIAL}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class EffectiveValue:
    """The value of a key, without secrets. None if there is no value."""

    key: str
    value: Any
    origin: Origin
    variable: str = ""
    """The variable that sets the value; empty if there is none."""


@dataclass(frozen=True, slots=True)
class EffectiveSection:
    """A section of the file, or a section with only defaults."""

    name: str
    values: tuple[EffectiveValue, ...]


@dataclass(frozen=True, slots=True)
class SecretVariable:
    """A variable with a secret of some workers, and the place where it is set. The place is empty if this command
    cannot find it.
    """

    name: str
    workers: tuple[str, ...]
    set_in: str


def find_values(tables: Mapping[str, Any], environment: Mapping[str, str]) -> list[EffectiveSection]:
    """Return the sections of a valid file. A repeatable section is returned once for each NAME in the file."""
    found = []
    for section in describe_sections():
        table = tables.get(section.name, {})
        named = {f"{section.name}.{name}": each for name, each in table.items()} if section.is_group else {}
        for title, written in (named if section.is_group else {section.name: table}).items():
            found.append(EffectiveSection(title, tuple(_find_values(section, written, environment))))
    return found


def find_defaults() -> list[EffectiveSection]:
    """Return every section with its defaults."""
    return [
        EffectiveSection(f"{each.name}.NAME" if each.is_group else each.name, tuple(_find_values(each, {}, {})))
        for each in describe_sections()
    ]


def find_waiting(team: Team, tables: Mapping[str, Any]) -> list[str]:
    """Return the sections that differ from the accepted configuration. Do not compare values of variables, because the
    accepted configuration does not contain them.
    """
    try:
        accepted = json.loads(team.accepted_configuration.read_text("utf-8"))["tables"]
        ours, theirs = ({each.name: each for each in find_values(some, {})} for some in (tables, accepted))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return []
    return [name for name in dict.fromkeys((*ours, *theirs)) if ours.get(name) != theirs.get(name)]


def find_secrets(found: TeamConfiguration, environment: Mapping[str, str]) -> list[SecretVariable]:
    """Return the variables with secrets of the workers that are configured."""
    return [
        SecretVariable(name, tuple(sorted(workers)), _find_secret(name, sorted(workers), found, environment))
        for name, workers in sorted(secrets_of(found.tables).items())
    ]


def hide_secrets(value: Any) -> Any:  # noqa: ANN401 - a value of TOML
    """Return the value without its secrets. A name, or the form of an address, shows that a value is secret."""
    if isinstance(value, str):
        return _SECRET.sub(lambda match: f"{match[1] or match[2]}{SET}", value)
    if isinstance(value, list | tuple):
        behind = [isinstance(each, str) and bool(_SECRET_OPTION.fullmatch(each)) for each in value]
        return [SET if before else hide_secrets(each) for before, each in zip([False, *behind], value, strict=False)]
    if isinstance(value, Mapping):
        return {name: hide_secrets(each) for name, each in value.items()}
    return value


def _find_values(
    section: DescribedSection, written: Mapping[str, Any], environment: Mapping[str, str]
) -> Iterator[EffectiveValue]:
    for each in section.keys:
        name = each.key.name
        variable = _VARIABLES.get((section.name, name), "")
        if given := environment.get(variable):
            yield EffectiveValue(name, hide_secrets(given), "environment", variable)
        elif name in written:
            yield EffectiveValue(name, _show(each, written[name]), "file")
        else:
            yield EffectiveValue(name, hide_secrets(each.key.default), "default")


def _show(each: DescribedKey, value: Any) -> Any:  # noqa: ANN401 - a value of TOML
    if each.key.is_secret and isinstance(value, Mapping):
        return dict.fromkeys(value, SET)
    return hide_secrets(value)


def _find_secret(name: str, workers: list[str], found: TeamConfiguration, environment: Mapping[str, str]) -> str:
    for worker in workers:
        program = found.programs.get(worker)
        if program is not None and name in dict(program.environment):
            return f"[worker.{worker}] environment"
        if program is not None and name in dict(program.env_file_values or ()):
            return f"[worker.{worker}] env_file"
    return "the environment" if environment.get(name) else ""
