"""The rules of routing, as teamsup.toml says them now: a changed file counts as soon as it is saved."""

import logging
import os

from teamsup.hub import MessageHub, NotConfigured
from teamsup.hub.sections import GatewaySection, RouteSection, UserCommSection
from teamsup.hub.settings import Settings, saved_tables

from .people import GATEWAY
from .routing import Rules

_Stamp = tuple[int, int, int] | None


class RulesFile:
    """Keeps the last rules that were sound, and says what is wrong with newer ones."""

    def __init__(self, hub: MessageHub, settings: Settings, log: logging.Logger) -> None:
        self._hub = hub
        self._log = log
        # Of the file as it was before these settings were read nothing is known, so it is looked at once more.
        self._stamp: _Stamp = (-1, -1, -1)
        self._rules, self._gateway = _rules(settings), settings.section(GATEWAY, GatewaySection)
        self._unknown = self._rules.agents
        self._enroll()
        self.trouble = ""

    @property
    def rules(self) -> Rules:
        """The rules; looks at the file with one stat()."""
        self._follow()
        return self._rules

    @property
    def last(self) -> Rules:
        """The same, without a look at the file."""
        return self._rules

    @property
    def section(self) -> UserCommSection:
        return self.rules.section

    @property
    def gateway(self) -> GatewaySection:
        """Where people are on Discord, and who may decide there."""
        self._follow()
        return self._gateway

    def _follow(self) -> None:
        stamp, before = self._now(), self._rules
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                settings = self._settings(stamp)
                self._rules, self._gateway = _rules(settings), settings.section(GATEWAY, GatewaySection)
            except NotConfigured as error:
                self.trouble = f"goes on with the former rules: {error}"
            else:
                self.trouble = ""
                self._unknown = self._rules.agents
                if self._rules != before:
                    self._log.info("new rules of routing")
        if self._unknown:
            self._enroll()

    def _settings(self, stamp: _Stamp) -> Settings:
        # While somebody saves it, it may be gone or empty for a moment. Who means that restarts the team.
        if (stamp is None or not stamp[1]) and self._rules != Rules():
            raise NotConfigured(f"{self._hub.team.configuration} is gone, or empty.")
        # The file itself: what the supervisor has handed to us changes with a reload only.
        return Settings(self._hub.team, saved_tables(self._hub.team, must_exist=False))

    def _enroll(self) -> None:
        for name in self._unknown:
            self._hub.enroll(name)
        self._unknown = set()

    def _now(self) -> _Stamp:
        try:
            found = os.stat(self._hub.team.configuration)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _rules(settings: Settings) -> Rules:
    section = settings.section("user_comm", UserCommSection)
    return Rules(section, tuple(settings.group("route", RouteSection).values()))
