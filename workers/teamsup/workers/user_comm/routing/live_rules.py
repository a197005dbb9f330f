"""The routing rules of teamsup.toml. A changed file applies when it is saved."""

import logging
import os
import threading
from dataclasses import dataclass, fields

from teamsup.config.components import installed_components
from teamsup.config.loader import Config, load_file
from teamsup.hub import MessageHub, NotConfigured

from ...protocol import GATEWAY
from ..sections import MessageRouteSection, UserCommSection
from .rules import RoutingRules

_Stamp = tuple[int, int, int] | None


@dataclass(frozen=True)
class DiscordAccess:
    """The part of [gateway] about people: users who may write, users who may decide, and the home channel."""

    users: tuple[int, ...] = ()
    roles: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()
    guilds: tuple[int, ...] = ()
    deciders: tuple[int, ...] = ()
    home_channel: int = 0


class LiveRules:
    """Keeps the last valid rules, and reports the fault of newer rules."""

    def __init__(self, hub: MessageHub, settings: Config, log: logging.Logger) -> None:
        self._hub = hub
        self._log = log
        self._lock = threading.Lock()
        # The file may have changed after these settings were read, so read it once more.
        self._stamp: _Stamp = (-1, -1, -1)
        self._rules, self._gateway = _read_rules(settings), _read_access(settings)
        self._not_enrolled = self._rules.agents
        self._enroll()
        self.failure = ""

    @property
    def rules(self) -> RoutingRules:
        """Return the rules. Check the file with one stat()."""
        self._reload_if_changed()
        return self._rules

    @property
    def cached(self) -> RoutingRules:
        """Return the rules, without a check of the file."""
        return self._rules

    @property
    def section(self) -> UserCommSection:
        return self.rules.section

    @property
    def gateway(self) -> DiscordAccess:
        """Return the settings about people on Discord."""
        self._reload_if_changed()
        return self._gateway

    def _reload_if_changed(self) -> None:
        # The heartbeat's thread looks too. A message must not take the old rules while that thread reads the new ones.
        with self._lock:
            self._reload()

    def _reload(self) -> None:
        stamp, before = self._current_stamp(), self._rules
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                settings = self._load_config(stamp)
                self._rules, self._gateway = _read_rules(settings), _read_access(settings)
            except NotConfigured as error:
                self.failure = f"keeps the earlier rules: {error}"
            else:
                self.failure = ""
                self._not_enrolled = self._rules.agents
                if self._rules != before:
                    self._log.info("new routing rules")
        if self._not_enrolled:
            self._enroll()

    def _load_config(self, stamp: _Stamp) -> Config:
        # While an editor saves the file it may be missing or empty for a moment. To drop all rules, restart the team.
        if (stamp is None or not stamp[1]) and self._rules != RoutingRules():
            raise NotConfigured(f"{self._hub.team.configuration} is gone, or empty.")
        # Read the file itself, because the sections from the supervisor change only with a reload.
        return Config(self._hub.team, load_file(self._hub.team, must_exist=False))

    def _enroll(self) -> None:
        for name in self._not_enrolled:
            self._hub.enroll(name)
        self._not_enrolled = set()

    def _current_stamp(self) -> _Stamp:
        try:
            found = os.stat(self._hub.team.configuration)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _read_access(settings: Config) -> DiscordAccess:
    """Read the section through the gateway's component, which defines it."""
    component = installed_components().get(GATEWAY)
    if component is None or component.section is None:
        return DiscordAccess()
    section = settings.section(GATEWAY, component.section)
    return DiscordAccess(**{each.name: getattr(section, each.name) for each in fields(DiscordAccess)})


def _read_rules(settings: Config) -> RoutingRules:
    section = settings.section("user_comm", UserCommSection)
    return RoutingRules(section, tuple(settings.sections_of("message_route", MessageRouteSection).values()))
