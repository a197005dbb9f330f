from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from teamsup.workers.agent_runner.commands.run_rendering import describe_cause, describe_cost, render_run, render_table
from teamsup.workers.agent_runner.run import Cause, Run

NOW = 1_000_000.0
DONE = Run(
    id=7,
    agent="gcp-monitor",
    cause=Cause("message", "m-1", 12, "discord:5"),
    session_id="5b1f",
    state="done",
    starts=1,
    created_at=NOW - 3700,
    started_at=NOW - 3690,
    ended_at=NOW - 3600,
    turns=4,
    tokens_in=12_000,
    tokens_out=300,
    usd=0.0123,
    tools=("Read", "Bash"),
    answer="All is well.\nNothing to do.",
    program="claude",
    program_version="2.1.332",
)
LIMITED = Run(8, "oci", Cause("schedule", "2026-11-30T10:00Z"), "6c", reason="at its limit", created_at=NOW - 5)


def test_a_table_shows_cause_time_and_cost() -> None:
    heading, limited, done = render_table([LIMITED, DONE], NOW)

    assert heading.split() == ["ID", "AGENT", "STATE", "CAUSE", "BEGAN", "TOOK", "TURNS", "COST", "REASON"]
    assert limited.endswith("at its limit")
    assert " ".join(done.split()) == "7 gcp-monitor done message #12 1h 1m ago 1m 40s 4 $0.0123"


def test_without_a_run_it_says_so() -> None:
    assert render_table([], NOW) == ["No run yet."]


def test_one_run_shows_everything_that_is_known_of_it() -> None:
    shown = render_run(DONE, Path("/team"), NOW, Path("/t.jsonl"), 44)

    for part in ("message #12", "discord:5", "12,000 in, 300 out", "Read, Bash", "/t.jsonl", "/team/runs/7", "#44"):
        assert part in shown
    assert "answer        All is well.\n                Nothing to do." in shown
    assert "program       claude 2.1.332\n" in shown
    assert "next try" not in shown


def test_a_session_without_a_file_is_said_to_have_none() -> None:
    assert "there is no file of this session" in render_run(DONE, Path("/team"), NOW, None)
    own = replace(DONE, program="command")
    assert "transcript" not in render_run(own, Path("/team"), NOW, None)


def test_a_table_without_reasons_has_no_column_for_them() -> None:
    assert render_table([DONE], NOW)[0].split()[-1] == "COST"


def test_a_tick_is_shown_with_the_day_if_it_is_another() -> None:
    for seconds, form in ((5, "%H:%M:%S UTC"), (-90_000, "%Y-%m-%d %H:%M:%S UTC")):
        tick = datetime.fromtimestamp(NOW + seconds, UTC)
        run = replace(LIMITED, cause=Cause("schedule", tick.isoformat()))
        assert describe_cause(run, NOW) == f"schedule {tick:{form}}"


def test_an_unknown_cost_is_not_shown_as_nothing() -> None:
    assert describe_cost(Run(1, "a", Cause("person", "x"), "s", state="done", starts=1)) == "unknown"
    assert describe_cost(LIMITED) == "-"
    assert describe_cost(replace(DONE, usd=None, state="running")) == "-", "it is not known yet"
    assert describe_cost(Run(1, "a", Cause("person", "x"), "s", starts=1, usd=0.0)) == "$0.00"
    assert describe_cost(Run(1, "a", Cause("person", "x"), "s", starts=1, usd=2.5)) == "$2.50"


def test_the_words_of_others_cannot_steer_a_terminal() -> None:
    mean = Run(1, "a", Cause("person", "x"), "s", reason="\x1b[2J", answer="\x1b]0;x\x07", created_at=NOW)
    assert "\x1b" not in render_run(mean, Path("/team"), NOW, None) + "".join(render_table([mean], NOW))
