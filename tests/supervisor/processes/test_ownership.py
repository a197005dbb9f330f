"""Who may change what is known of a worker's process."""

import ast
from dataclasses import fields
from pathlib import Path

import teamsup.supervisor
from helpers.source_tree import nodes_of
from teamsup.supervisor.processes.managed_process import ManagedProcess

FOLDER = Path(next(iter(teamsup.supervisor.__path__)))


def test_a_managed_process_is_changed_by_the_process_manager_alone() -> None:
    names = {field.name for field in fields(ManagedProcess)}
    wrong = [
        f"{path.name}:{target.lineno}: {ast.unparse(target)}"
        for path in FOLDER.rglob("*.py")
        if path.name != "process_manager.py"
        for node in nodes_of(path)
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign)
        for top in (node.targets if isinstance(node, ast.Assign) else [node.target])
        for target in ast.walk(top)
        if isinstance(target, ast.Attribute) and target.attr in names and isinstance(target.ctx, ast.Store)
        if not (isinstance(target.value, ast.Name) and target.value.id == "self")
    ]
    assert wrong == []
