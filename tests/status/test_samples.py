"""The figures of a team over time: what is not known stays unknown, and the files stay small."""

from collections.abc import Callable
from dataclasses import replace

from teamsup.hub import MessageHub, Team
from teamsup.status import samples
from teamsup.status.samples import KEPT_ROWS, TeamSample, WorkerSample, append_rows, combine, read_rows, write_minutes

MIDNIGHT = 1_772_323_200.0
SAMPLE = TeamSample(MIDNIGHT, 60.0, 3.0, 2, 0.01, 0.08, 4.0, "lead", 12.5, 40.0, 1.25, {"web": WorkerSample(1.0, 9)})


def test_a_sample_comes_back_as_it_was_written(team: Team) -> None:
    team.create()
    write_minutes(team, [SAMPLE, TeamSample(MIDNIGHT + 60)])
    assert samples.read_minutes(team) == [SAMPLE, TeamSample(MIDNIGHT + 60)]


def test_ten_minutes_show_averages_and_the_worst() -> None:
    other = TeamSample(
        MIDNIGHT + 60, 60.0, 5.0, 4, 0.03, 0.02, 9.0, "gcp", None, 20.0, 1.5, {"web": WorkerSample(3.0, 7, 1, 1)}
    )
    unknown = TeamSample(MIDNIGHT + 120)
    assert combine([SAMPLE, other, unknown]) == TeamSample(
        MIDNIGHT + 120, 180.0, 4.0, 6, 0.02, 0.08, 9.0, "gcp", 12.5, 40.0, 1.5, {"web": WorkerSample(2.0, 9, 1, 1)}
    )


def test_ten_minutes_do_not_know_a_figure_that_no_minute_knows() -> None:
    found = combine([TeamSample(MIDNIGHT), TeamSample(MIDNIGHT + 60)])
    assert (found.messages, found.reads, found.latency_p50, found.oldest_seconds, found.usd_today) == (None,) * 5


def test_the_sample_at_midnight_belongs_to_the_day_that_has_ended() -> None:
    assert samples.row_number(TeamSample(MIDNIGHT)) == samples.row_number(TeamSample(MIDNIGHT - 590))
    assert samples.row_number(TeamSample(MIDNIGHT + 1)) == samples.row_number(TeamSample(MIDNIGHT)) + 1


def test_the_file_of_a_week_keeps_a_week(team: Team) -> None:
    team.create()
    rows = [replace(SAMPLE, at=MIDNIGHT + 600 * number) for number in range(KEPT_ROWS + 144)]
    append_rows(team, rows)
    append_rows(team, [replace(SAMPLE, at=MIDNIGHT + 600 * len(rows))])
    kept = read_rows(team)
    assert len(kept) == KEPT_ROWS + 1
    assert kept[-1].at == MIDNIGHT + 600 * len(rows)
    assert (team.folder / "samples.jsonl").stat().st_size < 300 * KEPT_ROWS


def test_a_line_that_a_full_disk_cut_off_costs_that_line_alone(team: Team) -> None:
    team.create()
    append_rows(team, [SAMPLE])
    with (team.folder / "samples.jsonl").open("a") as file:
        file.write('\n[]\n{"at": 1, "of_a_later_version": 2}\n{"at": 177')
    append_rows(team, [replace(SAMPLE, at=MIDNIGHT + 600)])
    assert [row.at for row in read_rows(team)] == [MIDNIGHT, MIDNIGHT + 600]


def test_the_present_ten_minutes_are_shown_with_the_rows(team: Team) -> None:
    team.create()
    append_rows(team, [SAMPLE])
    write_minutes(team, [SAMPLE, replace(SAMPLE, at=MIDNIGHT + 60), replace(SAMPLE, at=MIDNIGHT + 120)])
    assert [(row.at, row.seconds) for row in read_rows(team)] == [(MIDNIGHT, 60.0), (MIDNIGHT + 120, 120.0)]


def test_a_team_that_was_never_sampled_has_no_figures(team: Team, join: Callable[..., MessageHub]) -> None:
    assert (samples.read_minutes(team), read_rows(team)) == ([], [])
    join("lead")
    assert read_rows(team) == []
