"""Find the worker to which each section of teamsup.toml belongs."""

from collections.abc import Mapping

from teamsup.config.components import installed_components
from teamsup.config.loader import Config
from teamsup.hub import NotConfigured
from teamsup.hub.validation import list_names

_OWN_SECTIONS = ("team", "metrics", "worker")


def check_section_names(config: Config, owners: Mapping[str, str]) -> None:
    """Raise NotConfigured for an unknown section. The section may belong to a component that cannot be loaded."""
    try:
        config.check_section_names([*_OWN_SECTIONS, *owners])
    except NotConfigured as error:
        if lost := [each.name for each in installed_components().values() if each.fault]:
            why = f"Or it is one of {list_names(lost)}, whose package cannot be loaded."
            raise NotConfigured(f"{error} {why}") from error
        raise


def section_owners() -> dict[str, str]:
    """Return each section that belongs to a component, with the name of that component."""
    # If two components name a section, the one that can be loaded owns it.
    components = sorted(installed_components().values(), key=lambda each: not each.fault)
    owners = {section: each.name for each in components for section in each.section_names}
    return {section: name for section, name in owners.items() if section not in _OWN_SECTIONS}


def owned_sections(name: str) -> tuple[str, ...]:
    """Return the sections of this worker, without [worker.NAME]."""
    component = installed_components().get(name)
    return () if component is None else component.section_names


def follows_sections(name: str) -> bool:
    """Return whether this worker itself reads its sections again after a change."""
    component = installed_components().get(name)
    return component is not None and component.follows_sections
