"""The people whom a page pings, by severity, quiet hours and rota. Pure, except for the host's time zone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from teamsup.config.loader import Config
from teamsup.terminal.formatting import format_moment

from ...protocol import MONITOR_BRIDGE
from ..sections import MonitorSection, PersonSection, RotaSection
from .quiet_hours import parse_hours
from .rota import Rota, Shift, parse_beginning


@dataclass(frozen=True, slots=True)
class Pinging:
    """The people whom a page pings. If there are none, ``note`` is the reason, and ``retry_at`` the next time when a
    person can be pinged.
    """

    users: tuple[int, ...]
    """The Discord ids of these people."""
    note: str = ""
    retry_at: float | None = None


NOBODY = Pinging(())


@dataclass(frozen=True)
class PingPlan:
    """The people of teamsup.toml, and their rotas."""

    mention: tuple[int, ...] = ()
    """Discord ids that are pinged for each severity except info."""
    people: Mapping[str, PersonSection] = field(default_factory=dict)
    rotas: Mapping[str, RotaSection] = field(default_factory=dict)

    def choose(self, severity: str, now: float) -> Pinging:
        """Return the people whom a page of this severity pings."""
        shifts = self.shifts(now)
        reasons = [_explain_vacancy(name, shift) for name, shift in shifts.items() if shift.person is None]
        changes = [shift.ends_at for shift in shifts.values() if shift.ends_at is not None]
        users = list(self.mention) if severity != "info" else []
        for name, person in self.people.items():
            why, until = self._explain_absence(name, person, severity, shifts, now)
            if not why:
                users.append(person.discord)
            elif until is not None:
                changes.append(until)
            reasons += [why] if why else []
        if users:
            # A rota without a person is a mistake, even if other people are pinged.
            note = " ".join(_explain_vacancy(name, shift) for name, shift in shifts.items() if shift.person is None)
            return Pinging(tuple(dict.fromkeys(users)), note)
        # Without a person who wants pings for info, a ping that reaches nobody is expected.
        is_expected = severity == "info" and not any("info" in person.ping for person in self.people.values())
        if is_expected or not reasons:
            return NOBODY
        return Pinging((), f"Nobody is pinged. {' '.join(reasons)}", min(changes, default=None))

    def shifts(self, now: float) -> dict[str, Shift]:
        """Return the shift of each rota."""
        from teamsup.config.schedule import find_zone  # only a rota or quiet hours need it

        return {
            name: Rota(each.people, parse_beginning(each.begins), each.days, find_zone(each.timezone)).shift_at(now)
            for name, each in self.rotas.items()
        }

    def _explain_absence(
        self, name: str, person: PersonSection, severity: str, shifts: Mapping[str, Shift], now: float
    ) -> tuple[str, float | None]:
        """Return why a person is not pinged, and until when. Return an empty text if the person is pinged."""
        own = [shifts[rota] for rota, each in self.rotas.items() if name in each.people]
        if own and not any(shift.person == name for shift in own):
            return f"{name} is not on call.", None
        if severity not in person.ping:
            return f"{name} is not pinged for {severity}.", None
        if person.quiet_hours and severity not in person.quiet_ping:
            from teamsup.config.schedule import find_zone

            hours = parse_hours(person.quiet_hours, find_zone(person.timezone))
            if hours.covers(now):
                until = hours.end_after(now)
                return f"{name} has quiet hours until {_moment(until)}.", until
        return "", None


def read_ping_plan(config: Config) -> PingPlan:
    """Return the plan of teamsup.toml. Raise NotConfigured."""
    return PingPlan(
        config.section(MONITOR_BRIDGE, MonitorSection).mention,
        config.sections_of("person", PersonSection),
        config.sections_of("rota", RotaSection),
    )


def render_shifts(shifts: Mapping[str, Shift]) -> list[str]:
    """Return who is on call, a line for each rota."""
    return [_render_shift(name, shift) for name, shift in shifts.items()] or [
        "There is no [rota.NAME] in teamsup.toml."
    ]


def shift_as_json(name: str, shift: Shift) -> dict[str, object]:
    """Return a shift for programs."""
    ends_at = None if shift.ends_at is None else datetime.fromtimestamp(shift.ends_at, UTC)
    return {"name": name, "person": shift.person, "ends_at": ends_at, "next_person": shift.next_person}


def _render_shift(name: str, shift: Shift) -> str:
    if shift.person is None or shift.ends_at is None:
        return _explain_vacancy(name, shift)
    return f"{name}: {shift.person} is on call until {_moment(shift.ends_at)}, then {shift.next_person}."


def _explain_vacancy(name: str, shift: Shift) -> str:
    if shift.ends_at is None:
        return f"[rota.{name}] has no people: nobody is on call."
    return f"[rota.{name}] begins at {_moment(shift.ends_at)}: nobody is on call."


def _moment(seconds: float) -> str:
    return format_moment(datetime.fromtimestamp(seconds, UTC))
