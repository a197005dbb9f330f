"""The rules of routing, as teamsup.toml says them now: a changed file counts as soon as it is saved."""

import logging
import os

from teamsup.hub import MessageHub, NotConfigured
from teamsup.hub.sections import GatewaySection, RouteSection, UserCommSection
from teamsup.hub.settings import Settings

from .people import GATEWAY
from .routing import Rules

_Stamp = tuple[int, int, int] | None


class RulesFile:
    """Keeps the last rules that were sound, and says what is wrong with newer ones."""

    def __init__(self, hub: MessageHub, settings: Settings, log: logging.Logger) -> None:
        self._hub = hub
        self._log = log
        self._stamp = self._now()
        self._rules, self._gateway = _rules(settings), settings.section(GATEWAY, GatewaySection)
        self._enroll()
        self.trouble = ""

    @property
    def rules(self) -> Rules:
        """The rules; looks at the file with one stat()."""
        self._follow()
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
        stamp = self._now()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                settings = Settings(self._hub.team)
                self._rules, self._gateway = _rules(settings), settings.section(GATEWAY, GatewaySection)
            except NotConfigured as error:
                self.trouble = f"goes on with the former rules: {error}"
                self._log.error("%s", self.trouble)
            else:
                self.trouble = ""
                self._log.info("new rules of routing")
                self._enroll()

    def _enroll(self) -> None:
        for name in self._rules.agents:
            self._hub.enroll(name)

    def _now(self) -> _Stamp:
        try:
            found = os.stat(self._hub.team.configuration)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _rules(settings: Settings) -> Rules:
    section = settings.section("user_comm", UserCommSection)
    return Rules(section, tuple(settings.group("route", RouteSection).values()))
