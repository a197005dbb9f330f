"""Which states of the team need a person, and which only time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from teamsup.config.entries import Age, Entry, EntryRow, EntrySource, EntryState, Need, sort_needs
from teamsup.hub import MessageHub, StoreError, Team
from teamsup.status import state_file, team_status
from teamsup.status.crash import Crash
from teamsup.status.team_needs import find_needs, read_needs
from teamsup.status.team_status import ParticipantStatus, TeamStatus, read_team_status

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WELL = ParticipantStatus("gateway", "daemon", "RUNNING", 7, 60.0, 0, 1.0, 0.1, 1, 0, None, "", well=True)
CRASH = Crash(NOW.timestamp() - 60, 7, "exit code 1", 1, None, ())


def status(*rows: ParticipantStatus, pid: int | None = 1, trouble: StoreError | None = None) -> TeamStatus:
    return TeamStatus([*rows], {}, pid, trouble)


def unwell(state: str, **values: object) -> ParticipantStatus:
    return replace(WELL, state=state, well=False, note="port 9095 is taken", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "title"),
    [
        (WELL, None),
        (unwell("DEGRADED", degraded_seconds=299.0), None),
        (unwell("DEGRADED", degraded_seconds=300.0), "is degraded"),
        (unwell("DEGRADED", degraded_seconds=None), "is degraded"),
        (unwell("unknown", heartbeat_age_seconds=40.0), None),
        (unwell("unknown", heartbeat_age_seconds=400.0), "is not heard"),
        (unwell("unknown", heartbeat_age_seconds=None), "is not heard"),
        (unwell("BACKOFF", crashes=(CRASH,)), None),
        (unwell("BACKOFF", crashes=(replace(CRASH, failures=5),)), "crashed 5 times in a row"),
        (unwell("FATAL", crashes=(CRASH,)), "does not run until somebody corrects it"),
        (unwell("EXITED"), "does not run until somebody corrects it"),
        (unwell("not configured"), "is not configured"),
    ],
)
def test_a_part_that_tries_again_by_itself_needs_a_person_only_after_five_minutes(
    row: ParticipantStatus, title: str | None
) -> None:
    assert [need.title for need in find_needs(status(row), NOW)] == ([] if title is None else [title])


def test_a_degraded_worker_shows_its_own_reason_and_since_when() -> None:
    (need,) = find_needs(status(unwell("DEGRADED", degraded_seconds=360.0)), NOW)
    assert need.since == NOW - timedelta(minutes=6)
    assert need.evidence == ("Port 9095 is taken", ", ", Age(need.since, "for"), ".")
    assert need.address == "/team/gateway"


def test_an_age_is_said_once() -> None:
    silent = replace(unwell("unknown", heartbeat_age_seconds=360.0), note="no heartbeat for 6m")
    (need,) = find_needs(status(silent), NOW)
    assert need.evidence == ("Its last heartbeat was ", Age(NOW - timedelta(minutes=6)), ".")


def test_without_a_supervisor_the_old_states_of_workers_say_nothing() -> None:
    (need,) = find_needs(status(unwell("FATAL"), pid=None), NOW)
    assert (need.title, need.state.shape, need.is_critical) == ("is not heard: the team does not run", "unknown", True)


def test_a_state_that_cannot_be_read_is_a_need_at_once() -> None:
    unread = replace(status(unwell("unknown", heartbeat_age_seconds=1.0)), is_published=False)
    (need,) = find_needs(unread, NOW)
    assert (need.title, need.state.shape, need.is_critical) == ("has published no readable state", "unknown", True)


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"workers": 3}', '{"pid": 1, "started_at": 0, "workers": []}'])
def test_a_state_that_the_running_supervisor_has_not_written_is_not_published(
    team: Team, text: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    team.create()
    if text is not None:
        (team.folder / "supervisor.json").write_text(text)
    assert read_team_status(team).is_published, "no supervisor runs, so none is expected"
    for module in (team_status, state_file):
        monkeypatch.setattr(module, "owner_pid", lambda _: 2)
    assert not read_team_status(team).is_published


class Broken:
    """A source of another package that has a bug."""

    kind, title, address, columns = "ticket", "Tickets", "/tickets", ()
    filters: Mapping[str, tuple[str, ...]] = {}

    def needs(self, hub: MessageHub, now: datetime) -> Sequence[Need]:  # noqa: ARG002
        raise KeyError("column")

    def count_open(self, hub: MessageHub) -> int:  # noqa: ARG002
        return 0

    def rows(
        self,
        hub: MessageHub,  # noqa: ARG002
        filters: Mapping[str, str],  # noqa: ARG002
        before: str | None,  # noqa: ARG002
        limit: int,  # noqa: ARG002
        now: datetime,  # noqa: ARG002
    ) -> Sequence[EntryRow]:
        return ()

    def entry(self, hub: MessageHub, entry_id: str, now: datetime) -> Entry | None:  # noqa: ARG002
        return None

    def act(self, hub: MessageHub, entry_id: str, action: str, version: str, person: str, text: str) -> str:  # noqa: ARG002
        return ""


BROKEN: EntrySource = Broken()


def test_a_source_that_fails_is_a_need_itself_and_hides_no_other(join: Callable[..., MessageHub]) -> None:
    found = read_needs(join("web"), status(unwell("FATAL")), [BROKEN], NOW)
    assert [(need.label, need.title) for need in found] == [
        ("gateway", "does not run until somebody corrects it"),
        ("Tickets", "cannot be read"),
    ]


def test_when_the_hub_cannot_be_read_nobody_says_that_nothing_is_needed(join: Callable[..., MessageHub]) -> None:
    (need,) = read_needs(join("web"), status(WELL, trouble=StoreError("It is gone.")), [BROKEN], NOW)
    assert (need.label, need.evidence) == ("Hub", ("It is gone. What else needs you is not known.",))


def test_needs_are_sorted_by_what_is_worst_and_soonest() -> None:
    def need(number: int, deadline: int | None, *, since: int = 0, critical: bool = False) -> Need:
        due = None if deadline is None else NOW + timedelta(seconds=deadline)
        state = EntryState("failed", "firing")
        began = NOW + timedelta(seconds=since)
        return Need("incident", str(number), "", "", (), state, began, deadline=due, is_critical=critical)

    found = [need(5, None, since=2), need(4, None, since=1), need(3, 60), need(2, 5), need(1, None, critical=True)]
    assert [each.id for each in sort_needs(found)] == ["1", "2", "3", "4", "5"]
