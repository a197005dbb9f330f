"""Rules about tools, as Claude Code writes them: ``Read``, ``mcp__github``, ``mcp__github__*`` or ``Bash(git push:*)``.

The gate of a run, deploy/claude/gate.py, reads them in the same way.
"""

import re

_FILE_TOOLS = ("Edit", "MultiEdit", "NotebookEdit", "Read", "Write")
"""Tools to which Claude Code applies its deny rules before it calls hooks."""


def tool_of(rule: str) -> str:
    """Return the tools of a rule, without its condition on their arguments."""
    return rule.partition("(")[0]


def covers(rule: str, tool: str) -> bool:
    """Return whether the rule is about this tool, or about all the tools that another rule names."""
    name = tool_of(rule)
    pattern = ".*".join(map(re.escape, name.split("*")))
    return re.fullmatch(pattern, tool) is not None or (name.startswith("mcp__") and tool.startswith(f"{name}__"))


def is_denied_before_people(rule: str) -> bool:
    """Return whether a deny rule applies before people are asked. Other rules apply only after people have decided."""
    name, parenthesis, condition = rule.partition("(")
    if not parenthesis or condition in (")", "*)") or name in ("Bash", *_FILE_TOOLS):
        return True
    return name == "WebFetch" and condition.startswith("domain:") and "*" not in condition
