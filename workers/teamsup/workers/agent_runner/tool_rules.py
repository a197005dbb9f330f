"""Rules about tools, as Claude Code writes them: ``Read``, ``mcp__github``, ``mcp__github__*`` or ``Bash(git push:*)``.

The gate of a run, deploy/claude/gate.py, reads them in the same way.
"""

import re


def tool_of(rule: str) -> str:
    """Return the tools of a rule, without its condition on their arguments."""
    return rule.partition("(")[0]


def covers(rule: str, tool: str) -> bool:
    """Return whether the rule is about this tool, or about all the tools that another rule names."""
    name = tool_of(rule)
    pattern = ".*".join(map(re.escape, name.split("*")))
    return re.fullmatch(pattern, tool) is not None or (name.startswith("mcp__") and tool.startswith(f"{name}__"))
