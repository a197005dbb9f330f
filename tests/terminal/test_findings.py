"""What holds for every finding of doctor, also for those of workers and for those of tomorrow."""

import ast

from helpers.source_tree import ROOT

FIELDS = ("check", "verdict", "text", "hint")


def test_each_finding_that_is_not_ok_names_a_remedy() -> None:
    found, without = 0, []
    for folder in ("hub", "supervisor", "workers"):
        for path in (ROOT / folder).rglob("*.py"):
            for call in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Finding":
                    given = dict(zip(FIELDS, call.args, strict=False)) | {
                        each.arg: each.value for each in call.keywords
                    }
                    found += 1
                    if "hint" not in given and ast.unparse(given["verdict"]) != "Verdict.OK":
                        without.append(f"{path}:{call.lineno}")
    assert without == []
    assert found > 50
