"""What becomes of the words of a command before they are executed."""

import pytest

from teamsup.supervisor.configuration.spawn_command import expand_command

VARIABLES = {"HOME": "/home/ann", "XDG_CACHE_HOME": "/c", "TEAMSUP_TEAM": "crew", "API_KEY": "secret"}


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ((), ()),
        (("run", "it"), ("run", "it")),
        (
            ("~/bin/run", "~", "~ann/x", "a~/b", "--file=~/x"),
            ("/home/ann/bin/run", "/home/ann", "~ann/x", "a~/b", "--file=~/x"),
        ),
        (("run", "--cache=${XDG_CACHE_HOME}/${TEAMSUP_TEAM}", "$HOME"), ("run", "--cache=/c/crew", "$HOME")),
        (("sh", "-c", "echo ${i} ~/x"), ("sh", "-c", "echo ${i} ~/x")),
        (("bash", "-lc", "~/run ${API_KEY}"), ("bash", "-lc", "~/run ${API_KEY}")),
        ("run ~/x | tee ${i}", ("/bin/sh", "-c", "run ~/x | tee ${i}")),
        (" ", ()),
    ],
)
def test_words_are_expanded_and_scripts_are_not(command: tuple[str, ...] | str, words: tuple[str, ...]) -> None:
    assert expand_command(command, VARIABLES) == words


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("${API_KEY}", r"command: \$\{API_KEY\} is not one of HOME, .* write the command as one text for a shell"),
        ("${}", r"\$\{\} is not one of"),
        ("${LANG}", "command: the variable LANG is not set"),
    ],
)
def test_a_variable_that_may_be_a_secret_or_is_not_set_is_a_mistake(word: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        expand_command(("run", word), VARIABLES)


def test_without_a_home_there_is_no_tilde() -> None:
    with pytest.raises(ValueError, match="HOME, which is not set"):
        expand_command(("~/run",), {})
