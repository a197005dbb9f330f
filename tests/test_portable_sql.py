"""SQL outside of an engine is what SQLite and PostgreSQL share, so that another engine runs it unchanged."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import pytest

from helpers.source_tree import ROOT, nodes_of, teamsup_modules
from helpers.sql_texts import VERBS, files, texts_of

ENGINES = ROOT / "hub" / "teamsup" / "hub" / "engines"
_VALUE = r"(?:\?|:\w+)"
_FUNCTIONS = (
    *("iif", "instr", "ifnull", "typeof", "printf", "format", "hex", "quote", "char", "unicode", "total", "changes"),
    *("strftime", "julianday", "unixepoch", "datetime", "date", "time", "group_concat", "random", "randomblob"),
    "last_insert_rowid",
)
_HAS_VERB = re.compile(rf"\.({'|'.join(VERBS)})\(")


@dataclass(frozen=True)
class Forbidden:
    """A construct that the engines do not share."""

    find: Callable[[str], object]
    reason: str
    examples: tuple[str, ...]
    instead: tuple[str, ...] = ()


def pattern(text: str) -> Callable[[str], object]:
    return re.compile(text, re.IGNORECASE | re.DOTALL).search


def finds_truth(sql: str) -> object:
    """Return whether a value stands where only a condition may."""
    sql = re.sub(r"(?i)\bBETWEEN\s+\S+\s+AND\s+[^\s()]+", "", sql)
    return pattern(rf"\b(?:NOT|WHEN|WHERE|AND|OR)\s+{_VALUE}\s*(?:AND|OR|THEN|\)|$)|\(\s*{_VALUE}\s+(?:AND|OR)\b")(sql)


def finds_bare_column(sql: str) -> object:
    """Return whether DO UPDATE takes a column of which it does not say whose it is."""
    for match in re.finditer(r"(?is)\bDO\s+UPDATE\s+SET\b(.*?)(?:\bRETURNING\b|$)", sql):
        values = re.sub(r"(?:^|,)\s*\w+\s*=", " = ", match[1])
        for word in re.finditer(r"(?<![.:\w])[a-z_]\w*\b(?!\s*[.(])", values):
            return word
    return None


def finds_unnamed_subquery(sql: str) -> object:
    """Return whether FROM has a subquery without a name."""
    for match in re.finditer(r"(?i)\b(?:FROM|JOIN)\s*\((?=\s*SELECT\b)", sql):
        depth, end = 1, match.end()
        while depth and end < len(sql):
            depth += {"(": 1, ")": -1}.get(sql[end], 0)
            end += 1
        if depth == 0 and not re.match(r"(?i)\s*AS\s", sql[end:]):
            return match
    return None


def finds_alias_in_where(sql: str) -> object:
    """Return whether WHERE knows a name that only the list of SELECT gives, and no table."""
    flat = sql
    while (inner := re.sub(r"\([^()]*\)", " ", flat)) != flat:
        flat = inner
    for select in re.split(r"(?i)\bUNION\b|\bSELECT\b", flat)[1:]:
        listed, _, rest = re.sub(r"\s+", " ", select).partition(" FROM ")
        where = re.split(r"(?i)\b(?:GROUP BY|ORDER BY|LIMIT)\b", re.split(r"(?i)\bWHERE\b", rest, maxsplit=1)[-1])[0]
        names = set(re.findall(r"(?i)\bAS (\w+)", listed)) - columns()
        if " WHERE " in f" {rest}" and (found := names & set(re.findall(r"(?<![.:\w])(\w+)\b(?!\.)", where))):
            return found
    return None


@cache
def columns() -> set[str]:
    """Return the columns of all tables."""
    scripts = [path for path in files() if path.suffix == ".sql"]
    return {name for path in scripts for name in re.findall(r"(?m)^  (\w+) [A-Z]+", path.read_text("utf-8"))}


FORBIDDEN = {
    "IS with a value": Forbidden(
        pattern(r"\bIS\s+(?!(?:NOT\s+)?NULL\b)"),
        "PostgreSQL's IS takes NULL only: coalesce(x, '') = coalesce(CAST(? AS TEXT), '')",
        ("WHERE x IS ?", "WHERE x IS NOT 'a'", "WHERE a IS b", "WHERE a IS DISTINCT FROM b"),
        ("WHERE x IS NULL AND y IS NOT NULL",),
    ),
    "a value that IS NULL": Forbidden(
        pattern(rf"(?<![\w:]){_VALUE}\s+IS\b"),
        "PostgreSQL cannot tell its type: CAST(? AS TEXT) IS NULL",
        ("WHERE (? IS NULL OR a = ?)", "WHERE :a IS NULL"),
        ("WHERE CAST(? AS TEXT) IS NULL",),
    ),
    "CROSS JOIN with ON": Forbidden(
        pattern(r"\bCROSS\s+JOIN\s+\w+(?:\s+AS\s+\w+|\s+(?!WHERE|CROSS|JOIN|ON)\w+)?\s+ON\b"),
        "PostgreSQL's CROSS JOIN has no condition: move it to WHERE",
        ("FROM a CROSS JOIN b ON a.x = b.x", "FROM a CROSS JOIN b AS c ON a.x = c.x"),
        ("FROM a CROSS JOIN b AS c WHERE a.x = c.x",),
    ),
    "unary plus": Forbidden(
        pattern(r"(?:\b(?:WHERE|AND|OR|ON|BY|NOT)|[(,=])\s*\+\s*[a-z_]"),
        "PostgreSQL has no + before a text: column || '' = ?",
        ("WHERE +m.sender = ?", "AND (+a = 1)"),
        ("SET turns = turns + 1", "WHERE a + b > 1"),
    ),
    "GLOB": Forbidden(
        pattern(r"\b(?:GLOB|REGEXP|MATCH)\b"),
        "only SQLite has it: substr(x, 1, 8) = ?",
        ("WHERE x GLOB 'a*'", "WHERE x MATCH ?"),
    ),
    "LIKE": Forbidden(
        pattern(r"\bLIKE\b"),
        "it ignores capitals in SQLite only: substr(x, 1, 8) = ?",
        ("WHERE x LIKE 'a%'",),
    ),
    "JSON": Forbidden(
        pattern(r"\bjson\w*\s*\(|->"),
        "the engines have no common syntax: metadata_text(metadata, 'key')",
        ("SELECT json_extract(m, '$.a')", "WHERE json_valid(m)", "SELECT m ->> 'a'"),
        ("SELECT metadata_text(metadata, 'a')",),
    ),
    "OR IGNORE and OR REPLACE": Forbidden(
        pattern(r"\b(?:INSERT|UPDATE)\s+OR\s+\w+|\bREPLACE\s+INTO\b"),
        "PostgreSQL knows only ON CONFLICT … DO NOTHING or DO UPDATE",
        ("INSERT OR IGNORE INTO a VALUES (1)", "INSERT OR REPLACE INTO a VALUES (1)", "REPLACE INTO a VALUES (1)"),
        ("INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING",),
    ),
    "a bare column in DO UPDATE": Forbidden(
        finds_bare_column,
        "PostgreSQL calls it ambiguous: table.column or excluded.column",
        (
            "INSERT INTO a VALUES (1) ON CONFLICT (x) DO UPDATE SET n = n + 1",
            "ON CONFLICT (x) DO UPDATE SET a = excluded.a, b = coalesce(excluded.b, b)",
        ),
        (
            "ON CONFLICT (x) DO UPDATE SET n = a.n + 1, b = coalesce(excluded.b, a.b), c = '', d = :d RETURNING id",
            "ON CONFLICT (x) DO UPDATE SET n = CASE WHEN a.n > 1 THEN a.n ELSE NULL END",
        ),
    ),
    "max or min of several": Forbidden(
        pattern(r"\b(?:max|min)\s*\((?:[^(),]|\([^()]*\))*,"),
        "in PostgreSQL these are aggregates only: CASE WHEN a > b THEN a ELSE b END",
        ("SELECT max(a, b)", "SET a = min(coalesce(a, 0), 5)"),
        ("SELECT max(a), min(b)", "SELECT coalesce(max(a), 0)"),
    ),
    "a function of SQLite": Forbidden(
        pattern(rf"(?<![.\w])(?:{'|'.join(_FUNCTIONS)})\s*\("),
        "PostgreSQL has no such function, or another one of that name: CASE, coalesce, or Python",
        ("SELECT iif(a, 1, 2)", "WHERE instr(a, 'b')", "SET a = strftime('%s', a)"),
        ("SELECT count(*), substr(a, 1, 2), length(a), lower(a), coalesce(a, b)",),
    ),
    "a value as a condition": Forbidden(
        finds_truth,
        "a number is not a condition in PostgreSQL: ? = 1",
        (
            "WHERE a = 1 AND (? OR b = 2)",
            "CASE WHEN :a AND b = 1 THEN 2 END",
            "WHERE NOT :a OR b = 1",
            "WHERE a = 1 AND ?",
        ),
        ("WHERE a BETWEEN :b AND :c AND d = 1", "WHERE (? = 1 OR b = 2)", "WHERE a IN (?, ?) AND b = ?"),
    ),
    "a LIMIT that is none": Forbidden(
        pattern(r"\bLIMIT\s+(?:-|\S+\s*,)"),
        "PostgreSQL refuses a negative one and the form with a comma: leave it out, or LIMIT ? OFFSET ?",
        ("LIMIT -1", "LIMIT 5, 10"),
        ("ORDER BY a, b LIMIT ? OFFSET ?",),
    ),
    "what only SQLite keeps": Forbidden(
        pattern(r"\b(?:rowid|_rowid_|sqlite_\w+|PRAGMA|VACUUM|ATTACH|BLOB)\b(?<!WITHOUT ROWID)"),
        "it belongs into the engine's folder",
        ("SELECT rowid FROM a", "SELECT name FROM sqlite_master", "PRAGMA page_count", "CAST(a AS BLOB)"),
        ("CREATE TABLE a (x TEXT PRIMARY KEY) WITHOUT ROWID",),
    ),
    "a numbered value": Forbidden(
        pattern(r"\?\d"),
        "an engine translates ? and :name: give a value twice, or name it",
        ("WHERE a = ?1 OR b = ?1",),
    ),
    "a subquery without a name": Forbidden(
        finds_unnamed_subquery,
        "PostgreSQL 15 wants one: (SELECT …) AS name",
        ("SELECT count(*) FROM (SELECT 1 FROM a)", "SELECT 1 FROM (SELECT f(a) FROM b) WHERE a = 1"),
        ("SELECT count(*) FROM (SELECT f(1) FROM a) AS b", "DELETE FROM a WHERE b IN (SELECT 1 FROM c)"),
    ),
    "an alias in WHERE": Forbidden(
        finds_alias_in_where,
        "PostgreSQL knows it only in ORDER BY: SELECT * FROM (SELECT … AS q …) AS x WHERE q …",
        ("SELECT a || 'x' AS q FROM b WHERE q = 'yx'", "SELECT f(a) AS q FROM b WHERE (c = 1) AND q > 2 ORDER BY c"),
        ("SELECT f(a) AS q FROM b WHERE c = 1 ORDER BY q", "SELECT * FROM (SELECT a AS q FROM b) AS x WHERE q = 1"),
    ),
    "IN without parentheses": Forbidden(
        pattern(r"\bIN\s+(?![(\s])"),
        "PostgreSQL wants a list or a query: IN (SELECT name FROM names)",
        ("WHERE a IN names",),
        ("WHERE a IN (SELECT name FROM names)",),
    ),
    "two equals signs": Forbidden(pattern(r"=="), "only SQLite has them", ("WHERE a == 1",), ("WHERE a >= 1",)),
}


@cache
def without_literals(sql: str) -> str:
    """Return SQL without its comments and what stands in its texts."""
    return re.sub(r"'(?:[^']|'')*'|--[^\n]*", lambda match: "''" if match[0][0] == "'" else "", sql)


@pytest.mark.parametrize("name", FORBIDDEN)
def test_sql_has_only_what_the_engines_share(name: str) -> None:
    construct = FORBIDDEN[name]
    wrong = {
        f"{sql.place}: {construct.reason}"
        for path in files()
        if not path.is_relative_to(ENGINES)
        for sql in texts_of(path, with_imports=False)
        if sql.is_statement and construct.find(without_literals(sql.text))
    }
    assert wrong == set()


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_construct_is_found_and_what_replaces_it_is_not(name: str) -> None:
    construct = FORBIDDEN[name]
    assert [each for each in construct.examples if not construct.find(without_literals(each))] == []
    assert [each for each in construct.instead if construct.find(without_literals(each))] == []


def test_no_boolean_is_stored_as_a_number() -> None:
    """SQLite stores True as 1, PostgreSQL refuses it: int(…)."""
    wrong = {
        f"{path.relative_to(ROOT).as_posix()}:{value.lineno}: {ast.unparse(value)}"
        for path in teamsup_modules()
        if not path.is_relative_to(ENGINES) and _HAS_VERB.search(path.read_text("utf-8"))
        for value in values_of(nodes_of(path))
        if isinstance(value, ast.Compare)
        or (isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not))
        or (isinstance(value, ast.Constant) and isinstance(value.value, bool))
        or (isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "bool")
    }
    assert wrong == set()


def values_of(nodes: Iterable[ast.AST]) -> Iterator[ast.expr]:
    """Yield the values that are handed to SQL, as far as they stand beside it or in a name of the same function."""
    for function in nodes:
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        inside = list(ast.walk(function))
        named = {
            target.id: node.value
            for node in inside
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in inside:
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in VERBS:
                for given in call.args[1:]:
                    yield from _items_of(named.get(given.id, given) if isinstance(given, ast.Name) else given)


def _items_of(values: ast.expr) -> Iterator[ast.expr]:
    match values:
        case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Dict(values=items):
            yield from items
        case ast.BinOp(left=left, right=right):
            yield from (*_items_of(left), *_items_of(right))
        case ast.ListComp(elt=item):
            yield from _items_of(item)


def test_an_id_is_returned_by_the_insert() -> None:
    """PostgreSQL has no lastrowid: INSERT … RETURNING id. Only for INSERT_MESSAGE does its engine do the same."""
    users = [path for path in files() if path.suffix == ".py" and ".lastrowid" in path.read_text("utf-8")]
    assert [path.name for path in users if ENGINES not in path.parents] == ["messages.py"]
    (messages,) = (path for path in users if path.name == "messages.py")
    assert messages.read_text("utf-8").count(".lastrowid") == messages.read_text("utf-8").count(
        "        INSERT_MESSAGE,"
    )


def test_no_script_uses_a_function_of_ours() -> None:
    """The sqlite3 shell does not know metadata_text, so a trigger with it would refuse the rows of foreign programs.

    PostgreSQL has the function itself.
    """
    of_sqlite = [path for path in files() if ENGINES / "postgresql" not in path.parents]
    scripts = [path for path in of_sqlite if path.suffix == ".sql" and "metadata_text" in path.read_text("utf-8")]
    made = {
        sql.place
        for path in of_sqlite
        for sql in texts_of(path)
        if "metadata_text" in sql.text and re.search(r"\bCREATE\b", sql.text)
    }
    assert (scripts, made) == ([], set())
