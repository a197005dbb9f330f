"""The table of ``teamsup ps`` in the width of a terminal."""

from teamsup.cli.commands.ps import fit_table

NOTE = "No Discord token: set DISCORD_TOKEN and start the team again, or name a token_file under [gateway]."
BUSY = ("lead", "online", "-", "-", "-", "3s", "-", "-", "2", "4m 0s", "deploys")
RUNNING = ("user_comm", "RUNNING", "4123", "2m 4s", "0", "2s", "0.2", "28 MiB", "0", "-", "")
HELD = ("gateway", "not configured", "-", "-", "0", "-", "-", "-", "0", "-", NOTE)
ROWS = [RUNNING, HELD, BUSY]


def test_a_wide_terminal_has_each_column_that_says_something() -> None:
    (headings,), *rows = fit_table(ROWS, 240)

    assert headings.split() == [
        "NAME",
        "STATE",
        "PID",
        "UPTIME",
        "HEARTBEAT",
        "CPU",
        "%",
        "MEMORY",
        "UNREAD",
        "OLDEST",
        "NOTE",
    ]
    assert [len(lines) for lines in rows] == [1, 1, 1]


def test_eighty_columns_have_the_state_the_unread_and_the_whole_reason() -> None:
    (headings,), running, held, busy = fit_table(ROWS, 80)

    assert {"NAME", "STATE", "UNREAD", "NOTE"} <= set(headings.split())
    assert running[0].startswith("user_comm  RUNNING")
    column = headings.index("NOTE")
    assert " ".join(line[column:] for line in held) == NOTE
    assert [line[:column].strip() for line in held[1:]] == [""] * (len(held) - 1)
    assert busy[0].endswith(" 2       4m 0s   deploys")


def test_eighty_columns_have_the_end_of_a_note_which_says_what_to_do() -> None:
    note = "No agent can be started: add a section [agent.NAME] to teamsup.toml, " * 2 + "then run: teamsup reload"
    row = ("agent-runner", "not configured", "-", "-", "0", "-", "-", "-", "0", "-", note)
    (headings,), held = fit_table([row], 80)
    column = headings.index("NOTE")
    assert " ".join(line[column:] for line in held) == note


def test_no_line_is_longer_than_the_terminal() -> None:
    rows = [*ROWS, ("x" * 64, "BACKOFF", "-", "-", "17", "-", "-", "-", "0", "-", NOTE * 5)]
    for columns in (20, 40, 80, 120, 300):
        lines = [line for lines in fit_table(rows, columns) for line in lines]
        assert max(map(len, lines)) <= max(columns, 64 + 2 + len("not configured") + 12)
