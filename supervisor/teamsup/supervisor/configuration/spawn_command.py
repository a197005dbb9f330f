"""The words of a worker's command: expand ``~`` and permitted variables, or pass a single text to a shell. Pure."""

import re
from collections.abc import Mapping

NAMED_VARIABLES = (
    *("HOME", "USER", "LOGNAME", "HOSTNAME", "PATH", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV"),
    *("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"),
    *("TEAMSUP_TEAM", "TEAMSUP_HOME"),
)
"""The variables that a word may name. They must not hold secrets, because every user can read the words of a process.
"""
_VARIABLE = re.compile(r"\$\{(\w*)\}")
_SHELL = "/bin/sh"
_SCRIPT_OPTION = re.compile("-[a-z]*c")


def expand_command(command: tuple[str, ...] | str, variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return the words to execute. Do not replace anything in a single text for a shell, or in a word after ``-c``.

    Raise ValueError for a variable that is not permitted or not set.
    """
    if isinstance(command, str):
        return (_SHELL, "-c", command) if command.strip() else ()
    scripts = {position + 1 for position, word in enumerate(command) if _SCRIPT_OPTION.fullmatch(word)}
    return tuple(word if position in scripts else _expand(word, variables) for position, word in enumerate(command))


def _expand(word: str, variables: Mapping[str, str]) -> str:
    def value_of(found: re.Match[str]) -> str:
        name = found[1]
        if name not in NAMED_VARIABLES:
            raise ValueError(
                f"command: ${{{name}}} is not one of {', '.join(NAMED_VARIABLES)}; "
                "for any other variable write the command as one text for a shell"
            )
        if name not in variables:
            raise ValueError(f"command: the variable {name} is not set")
        return variables[name]

    if word == "~" or word.startswith("~/"):
        if "HOME" not in variables:
            raise ValueError("command: ~ needs the variable HOME, which is not set")
        return variables["HOME"] + _VARIABLE.sub(value_of, word[1:])
    return _VARIABLE.sub(value_of, word)
