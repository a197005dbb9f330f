"""What people see of a call that they are asked to permit."""

from teamsup.terminal.tool_call import show_input


def test_the_text_of_an_agent_does_not_look_like_ours() -> None:
    shown = show_input({"content": "a\ntimeout: 1\nIt works on #1", "x\ny": True})
    assert shown.split("\n") == [
        "| content: ",
        "|     a",
        "|     timeout: 1",
        "|     It works on #1",
        "| x y: true",
    ]
    assert show_input({}) == "| (without an input)"


def test_characters_that_a_screen_would_hide_are_spelled_out() -> None:
    shown = show_input({"command": "rm \u202e x\x1b[2K\r\u200b"})
    assert shown == '| command: "rm \\u202e x\\u001b[2K\\r\\u200b"'
