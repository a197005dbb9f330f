"""The last accepted configuration: a file in ``run/`` that each worker reads at its start.

A mistake in a saved teamsup.toml does not reach a worker, because a reload refuses it first. The file does not contain
values of [worker.NAME] environment, because every worker may read it, and such a value may be secret.
"""

import json
import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from teamsup.config.loader import load_file
from teamsup.hub import NotConfigured, Team

from . import team_configuration
from .section_owners import owned_sections
from .team_configuration import TeamConfiguration


def stage_accepted(team: Team, accepted: TeamConfiguration) -> None:
    """Write the file beside the file in use. Raise OSError."""
    tables = dict(accepted.sound_tables)
    if isinstance(workers := tables.get("worker"), dict):
        tables["worker"] = {name: _without_environment_values(worker) for name, worker in workers.items()}
    text = json.dumps({"tables": tables, "whole": not accepted.fault}, default=str)
    path = team.accepted_configuration.with_suffix(".new")
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def activate_staged(team: Team) -> None:
    """Put the staged file into use. Raise OSError."""
    team.accepted_configuration.with_suffix(".new").replace(team.accepted_configuration)


def load_at_boot(team: Team) -> tuple[TeamConfiguration, str]:
    """Return the configuration for a start, and why it differs from teamsup.toml; empty if it does not differ.

    If the file is wrong or missing, use the last accepted configuration. Without one, use all workers whose sections
    are valid. Raise NotConfigured if there is no usable section.
    """
    try:
        found, trouble = team_configuration.load_configuration(team), ""
    except NotConfigured as error:
        trouble = str(error)
        if (last := _load_last_accepted(team)) is not None:
            return last, trouble
        found = team_configuration.parse_configuration(team, load_file(team, must_exist=False))
    try:
        stage_accepted(team, found)
        activate_staged(team)
    except OSError:
        # Without the file each worker reads teamsup.toml itself, which is correct here.
        team.accepted_configuration.unlink(missing_ok=True)
    return found, found.fault and trouble


def load_at_handover(team: Team) -> tuple[TeamConfiguration, str]:
    """Return the configuration that the predecessor in this process has used. A later change of the file still waits
    for a reload. If the predecessor's configuration is missing, return the same as load_at_boot().
    """
    last = _load_last_accepted(team)
    return load_at_boot(team) if last is None else (last, "")


def replace_sections(names: Collection[str], new: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    """Return the old tables, but with the new sections of these workers."""
    taken = {section for name in names for section in owned_sections(name)}
    workers = {name: worker for name, worker in _worker_tables(old).items() if name.lower() not in names}
    workers |= {name: worker for name, worker in _worker_tables(new).items() if name.lower() in names}
    kept = {key: table for key, table in old.items() if key not in taken and key != "worker"}
    return kept | {key: new[key] for key in taken if key in new} | ({"worker": workers} if workers else {})


def is_equivalent(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether the tables have the same meaning. The order of alert routes matters."""
    return one == other and list(one.get("alert_route", ())) == list(other.get("alert_route", ()))


def _worker_tables(tables: Mapping[str, Any]) -> dict[str, Any]:
    workers = tables.get("worker")
    return workers if isinstance(workers, dict) else {}


def _without_environment_values(worker: object) -> object:
    """Return the tables without values of environments. Without these values such a worker cannot start."""
    if isinstance(worker, dict) and isinstance(worker.get("environment"), dict):
        return worker | {"environment": dict.fromkeys(worker["environment"])}
    return worker


def _restore_environments(team: Team, tables: dict[str, Any]) -> dict[str, Any]:
    """Return the accepted tables. Take the values of an environment from the saved file, if it has the same names
    there.
    """
    with suppress(NotConfigured):
        saved = _worker_tables(load_file(team))
        for name, worker in _worker_tables(tables).items():
            given = saved.get(name)
            environment = given.get("environment") if isinstance(given, dict) else None
            if isinstance(environment, dict) and list(environment) == list(worker.get("environment", ())):
                worker["environment"] = environment
    return tables


def _load_last_accepted(team: Team) -> TeamConfiguration | None:
    """Return the last accepted configuration, unless a part of it was invalid or it had only defaults."""
    try:
        found = json.loads(team.accepted_configuration.read_text("utf-8"))
        tables = dict(found["tables"]) if found["whole"] else {}
    except (OSError, ValueError, TypeError, KeyError):
        return None
    with suppress(NotConfigured):
        # An older teamsup may have accepted a configuration that this version refuses.
        return team_configuration.parse_configuration(team, _restore_environments(team, tables)) if tables else None
    return None
