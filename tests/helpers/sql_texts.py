"""The SQL of the code: every text of it, put together as far as that can be read, and the tables that it names."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from helpers.source_tree import ROOT, ROOTS, nodes_in, nodes_of

VERBS = ("query", "execute", "executemany", "executescript", "read", "read_on_writer")
"""The methods that take SQL first."""

_IS_SQL = re.compile(
    r"\b(SELECT|INSERT INTO|INSERT OR|UPDATE|DELETE FROM|FROM|JOIN|WHERE|VALUES|ORDER BY|GROUP BY|PRAGMA|RETURNING)\b"
    r"|\b(AND|OR|CASE|THEN|SET|LIMIT)\b.*[=?<>]|\bIS (NOT )?NULL\b|[=<>] [?:]"
)
_IS_LOWER_CASE_SQL = re.compile(
    r"(?i)^\s*(select|insert|update|delete|with|replace|create|drop|alter)\b.*\w", re.DOTALL
)
_HAS_SQL = re.compile(
    rf"{_IS_SQL.pattern}|\.({'|'.join(VERBS)})\(|(?i:\b(select|insert|update|delete|replace|drop)\s.*\b(from|into|set|table)\b)"
)
_TOKEN = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/|\"[^\"]*\"|(?:\w|\{[^{}]*\}|\.)+|\S", re.DOTALL)
_ENDS_LIST = {"WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "SET", "UNION", "SELECT", "VALUES", "RETURNING", "BEGIN"}
_SCHEMAS = ("main.", "live.", "temp.")


@dataclass(frozen=True)
class SqlText:
    """A text of SQL, or a part of one. What is only known when it runs stands in braces."""

    path: Path
    line: int
    text: str
    is_statement: bool
    """Whether it is handed to a verb that runs it, or is written in capitals as SQL is."""

    @property
    def place(self) -> str:
        return f"{self.path.relative_to(ROOT).as_posix()}:{self.line}"


def files() -> Iterator[Path]:
    """Yield every module and script of teamsup."""
    for root in ROOTS:
        for path in sorted((ROOT / root / "teamsup").rglob("*")):
            if path.suffix in (".py", ".sql"):
                yield path


@cache
def texts_of(path: Path, *, with_imports: bool = True) -> tuple[SqlText, ...]:
    """Return the SQL of a module or a script; ``with_imports`` also what constants of other modules add to it."""
    if path.suffix == ".sql":
        return (SqlText(path, 1, path.read_text("utf-8"), is_statement=True),)
    return tuple(_reader_of(path).texts(shared_constants() if with_imports else {}))


def texts_in(source: str) -> list[SqlText]:
    """Return the SQL in the source of a module; docstrings do not count."""
    return list(_Reader(nodes_in(source), ROOT).texts({}))


@cache
def shared_constants() -> Mapping[str, str]:
    """Return the texts of all modules that other modules may name; a name with two texts has none."""
    found: dict[str, set[str]] = {}
    for path in files():
        if path.suffix == ".py":
            for name, text in _reader_of(path).constants():
                found.setdefault(name, set()).add(text)
    return {name: texts.pop() for name, texts in found.items() if len(texts) == 1}


@cache
def _reader_of(path: Path) -> "_Reader":
    return _Reader(nodes_of(path) if _HAS_SQL.search(path.read_text("utf-8")) else nodes_in(""), path)


class _Reader:
    """A module, whose texts are put together."""

    def __init__(self, nodes: tuple[ast.AST, ...], path: Path) -> None:
        self._tree = nodes[0]
        self._path = path
        self._shared: Mapping[str, str] = {}
        self._nodes = nodes
        self._parents = {child: node for node in self._nodes for child in ast.iter_child_nodes(node)}
        self._scopes: dict[tuple[ast.AST, str], list[ast.expr]] = {}
        self._reading: set[tuple[ast.AST, str]] = set()
        for name, value in self._assigned():
            self._scopes.setdefault((self._scope_of(name), name.id), []).append(value)

    def constants(self) -> Iterator[tuple[str, str]]:
        """Yield the constants of the module that are texts."""
        for (scope, name), values in self._scopes.items():
            if scope is self._tree and name.isupper():
                yield from ((name, text) for value in values if (text := self._read(value)) is not None)

    def _scope_of(self, node: ast.AST) -> ast.AST:
        while node is not self._tree and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            node = self._parents[node]
        return node

    def _assigned(self) -> Iterator[tuple[ast.Name, ast.expr]]:
        for node in self._nodes:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    if isinstance(target, ast.Name):
                        yield target, node.value
                    elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                        pairs = zip(target.elts, node.value.elts, strict=False)
                        yield from ((name, value) for name, value in pairs if isinstance(name, ast.Name))
            elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                yield node.target, node.value

    def _value_of(self, name: ast.Name) -> str | None:
        """Return the text that a name stands for, if it is always the same one."""
        scope = self._scope_of(name)
        while (scope, name.id) not in self._scopes and scope is not self._tree:
            scope = self._scope_of(self._parents[scope])
        if (scope, name.id) in self._reading:  # it is made of itself
            return None
        values = self._scopes.get((scope, name.id))
        if values is None:
            return self._shared.get(name.id)
        self._reading.add((scope, name.id))
        try:
            first, *added = values
            if not all(isinstance(self._parents[each], ast.AugAssign) for each in added):
                return None
            text = self._read(first)
            return None if text is None else text + "".join(map(self._part, added))
        finally:
            self._reading.discard((scope, name.id))

    def texts(self, shared: Mapping[str, str]) -> Iterator[SqlText]:
        """Yield its SQL; ``shared`` are the constants of other modules."""
        self._shared = shared
        for node in self._nodes:
            parent = self._parents.get(node)
            if not isinstance(node, ast.expr) or isinstance(parent, ast.Expr):
                continue
            is_run = (
                isinstance(parent, ast.Call)
                and isinstance(parent.func, ast.Attribute)
                and parent.func.attr in VERBS
                and parent.args[:1] == [node]
            )
            is_part = isinstance(parent, ast.JoinedStr | ast.FormattedValue) or self._is_text(parent)
            if (self._is_text(node) and not is_part) or (is_run and isinstance(node, ast.Name | ast.Attribute)):
                text = self._read(node) or ""
                if text and (is_run or _IS_SQL.search(text) or _IS_LOWER_CASE_SQL.match(text)):
                    yield SqlText(self._path, node.lineno, text, is_run or bool(_IS_SQL.search(text)))

    def _is_text(self, node: ast.AST | None) -> bool:
        """Return whether the expression is a text of its own, and not a name of one."""
        if isinstance(node, ast.Constant):
            return isinstance(node.value, str)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
            return self._is_text(node.left) or self._is_text(node.right)
        return isinstance(node, ast.JoinedStr) or self._called(node) is not None

    @staticmethod
    def _called(node: ast.AST | None) -> tuple[ast.expr, str] | None:
        """Return a text and which of its methods makes another text of it."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("format", "join"):
            return node.func.value, node.func.attr
        return None

    def _read(self, node: ast.expr) -> str | None:
        """Return the text of an expression; None if it is none."""
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.Name():
                return self._value_of(node)
            case ast.Attribute(attr=name):
                return self._shared.get(name)
            case ast.JoinedStr(values=values):
                return "".join(self._part(value) for value in values)
            case ast.FormattedValue(value=value):
                return self._part(value)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                texts = self._read(left), self._read(right)
                return None if texts == (None, None) else self._part(left) + self._part(right)
            case ast.BinOp(left=left, op=ast.Mod()):
                formatted = self._read(left)
                return None if formatted is None else re.sub(r"%(\(\w+\))?s", "{…}", formatted)
        if isinstance(node, ast.Call) and (called := self._called(node)) is not None:
            return self._read_call(node, *called)
        return None

    def _read_call(self, node: ast.Call, text_node: ast.expr, method: str) -> str | None:
        text = self._read(text_node)
        if text is None:
            return None
        if method == "join":
            (parts,) = node.args
            inside = parts.elts if isinstance(parts, ast.Tuple | ast.List) else []
            return text.join(self._part(each) for each in inside) if inside else "{…}"
        given = {each.arg: self._part(each.value) for each in node.keywords if each.arg is not None}
        return re.sub(r"\{(\w+)\}", lambda match: given.get(match[1], match[0]), text)

    def _part(self, node: ast.expr) -> str:
        text = self._read(node)
        return "{" + ast.unparse(node).replace("{", "(").replace("}", ")") + "}" if text is None else text


@cache
def tables_named_in(sql: str) -> frozenset[str]:
    """Return the tables and views that a text of SQL names; one whose name is not known stands in braces."""
    tokens = [token for token in _TOKEN.findall(sql) if not token.startswith(("'", "--", "/*"))]
    found: set[str] = set()
    is_list = [False]  # at each depth of parentheses: whether a comma is followed by a table
    is_expected = False
    for index, token in enumerate(tokens):
        word = token.upper()
        before = tokens[index - 1].upper() if index else ""
        after = tokens[index + 1].upper() if index + 1 < len(tokens) else ""
        if is_expected and word in ("IF", "NOT", "EXISTS", "OR", "IGNORE", "ONLY", "LATERAL") and after != ",":
            continue
        if is_expected and (token[0].isalpha() or token[0] in '_"{'):
            found.add(_bare(token))
            is_expected = False
        elif token == "(":  # noqa: S105
            is_list.append(False)
            is_expected = False
        elif token == ")":  # noqa: S105
            is_list = is_list[:-1] or [False]
        elif token == ",":  # noqa: S105
            is_expected = is_list[-1]
        elif word in _ENDS_LIST:
            is_list[-1] = False
        if word == "FROM" and before != "DISTINCT":
            is_list[-1] = is_expected = True
        is_expected = is_expected or _introduces_table(word, before, tokens[index + 1 : index + 3])
    return frozenset(found)


def _introduces_table(word: str, before: str, following: list[str]) -> bool:
    after = following[0].upper() if following else ""
    match word:
        case "JOIN" | "INTO" | "TABLE":
            return True
        case "UPDATE":
            return before not in ("DO", "AFTER", "BEFORE", "FOR") and after not in ("OF", "ON")
        case "ON":
            return after != "CONFLICT" and _is_object(following)
    return False


def _is_object(tokens: list[str]) -> bool:
    """Return whether a table follows ON, as in CREATE INDEX and CREATE TRIGGER, and not a condition."""
    following = tokens[1].upper() if len(tokens) > 1 else ""
    return bool(tokens) and "." not in tokens[0] and following in ("(", "BEGIN", "WHEN", "FOR", "USING", "")


def _bare(name: str) -> str:
    name = name.strip('"')
    return next((name.removeprefix(schema) for schema in _SCHEMAS if name.startswith(schema)), name)
