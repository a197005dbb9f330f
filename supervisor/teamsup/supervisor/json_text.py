"""JSON text of which a little is changed, while the rest stays to the letter as its owner has written it."""

import json
import os
import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, NoReturn, TypeVar

from teamsup.hub import CallerError

T = TypeVar("T")

_BLANK = re.compile(r"[ \t\r\n]*")
_WORDS = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}


class InvalidJson(CallerError):
    """A file that is no JSON, or has something else where we look for ours."""

    exit_code = os.EX_DATAERR


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where its text is. Of an object or a list, ``members`` are what is in it."""

    value: Any
    start: int
    end: int
    members: "tuple[Member, ...]" = ()


@dataclass(frozen=True, slots=True)
class Member:
    """``start`` is where its key begins, in a list its value."""

    key: str | int
    start: int
    node: Node


class Document:
    """The text of one file. Raises InvalidJson, which names the file, line and column."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        try:
            self._root = _Parser(self).document()
        except RecursionError:
            self.refuse("is nested too deeply", 0)

    @property
    def value(self) -> Any:  # noqa: ANN401 - JSON
        return self._root.value

    def refuse(self, why: str, at: int) -> NoReturn:
        line = self.text.count("\n", 0, at) + 1
        column = at - (self.text.rfind("\n", 0, at) + 1) + 1
        raise InvalidJson(f"{self.name}, line {line}, column {column}: {why}.")

    def expect(self, kind: type[T], *path: str | int) -> T | None:
        """What stands at the end of the path; None for nothing. Raises InvalidJson when it is of another kind."""
        node: Node | None = self._root
        for key in path:
            assert node is not None  # noqa: S101 - the loop ends otherwise
            node = next((member.node for member in node.members if member.key == key), None)
            if node is None:
                return None
        assert node is not None  # noqa: S101
        if not isinstance(node.value, kind):
            where = ".".join(map(str, path)) or "the whole"
            self.refuse(f"{where} is not {_WORDS.get(kind, kind.__name__)}", node.start)
        return node.value

    def changed_to(self, value: Any) -> str:  # noqa: ANN401 - JSON
        """The text of another value, with what is in both left as it is."""
        return self.text[: self._root.start] + _Writer(self.text, self._root).text_of(self._root, value, "")


def new_text(value: Any) -> str:  # noqa: ANN401 - JSON
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


class _Parser:
    """Keeps where everything stands, and refuses what is no JSON to others: NaN, and a key that stands twice."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._text = document.text
        self._scalar = json.JSONDecoder(parse_constant=_no_constant).raw_decode

    def document(self) -> Node:
        root = self._value(self._skip(1 if self._text.startswith("\ufeff") else 0))
        if (end := self._skip(root.end)) != len(self._text):
            self._refuse("there is something behind the end", end)
        return root

    def _value(self, at: int) -> Node:
        match self._text[at : at + 1]:
            case "{":
                return self._container(at, "}")
            case "[":
                return self._container(at, "]")
        try:
            value, end = self._scalar(self._text, at)
        except json.JSONDecodeError as error:
            self._refuse(error.msg, error.pos)
        except ValueError as error:
            self._refuse(str(error), at)
        return Node(value, at, end)

    def _container(self, opening: int, closing: str) -> Node:
        members: dict[str | int, Member] = {}
        at = self._skip(opening + 1)
        while members or self._text[at : at + 1] != closing:
            start = at
            key: str | int = len(members)
            if closing == "}":
                key, at = self._key(at)
                if key in members:
                    self._refuse(f"the key {key!r} stands here a second time", start)
            node = self._value(at)
            members[key] = Member(key, start, node)
            at = self._skip(node.end)
            if self._text[at : at + 1] == closing:
                break
            at = self._skip(self._after(",", at, f"',' or '{closing}'"))
        values = {key: member.node.value for key, member in members.items()}
        return Node(values if closing == "}" else list(values.values()), opening, at + 1, tuple(members.values()))

    def _key(self, at: int) -> tuple[str, int]:
        if self._text[at : at + 1] != '"':
            self._refuse("a key in double quotes is expected", at)
        key = self._value(at)
        return key.value, self._skip(self._after(":", self._skip(key.end), "':'"))

    def _after(self, sign: str, at: int, what: str) -> int:
        if self._text[at : at + 1] != sign:
            self._refuse(f"{what} is expected", at)
        return at + 1

    def _skip(self, at: int) -> int:
        found = _BLANK.match(self._text, at)
        return found.end() if found else at

    def _refuse(self, why: str, at: int) -> NoReturn:
        if self._text[at : at + 2] in ("//", "/*"):
            why = "JSON knows no comments"
        self._document.refuse(why, at)


class _Writer:
    """Writes changed values in the style of the text."""

    def __init__(self, text: str, root: Node) -> None:
        self._source = text
        self._root = root
        self._newline = "\r\n" if "\r\n" in text else "\n"
        indentation = _below(self._lead(root, 0)) if root.members else None
        self._indentation = "  " if indentation is None else indentation
        self._is_minified = bool(root.members) and not re.search(r'":\s', text)

    def text_of(self, node: Node, value: Any, base: str | None) -> str:  # noqa: ANN401 - JSON
        """``base`` is the indentation of the line on which the value begins, None where all is on one line."""
        end = self._source[node.end :] if node is self._root else ""
        if node.value == value:
            return self._source[node.start : node.end] + end
        both = isinstance(value, dict) and isinstance(node.value, dict)
        if value and node.members and (both or (isinstance(value, list) and isinstance(node.value, list))):
            return self._container(node, value) + end
        return self._fresh(value, base) + end

    def _container(self, node: Node, value: Any) -> str:  # noqa: ANN401 - JSON
        first, last = self._lead(node, 0), self._lead(node, len(node.members) - 1)
        if len(node.members) == 1 and _below(last) is None:
            last = "" if self._is_minified else " "
        pairs = _pairs_in_object(node, value) if isinstance(value, dict) else _pairs_in_list(node, value)
        text = ""
        for number, (at, key, child) in enumerate(pairs):
            lead = first if not number else last if not at else self._lead(node, at)
            base = _below(lead)
            if at is None:
                body = self._key(node, key) + self._fresh(child, base)
            else:
                member = node.members[at]
                body = self._source[member.start : member.node.start] + self.text_of(member.node, child, base)
            text += ("," if number else "") + lead + body
        closing = self._source[node.members[-1].node.end : node.end]
        return self._source[node.start] + text + closing

    def _lead(self, node: Node, number: int) -> str:
        """The blanks before a member."""
        member = node.members[number]
        begin = node.start + 1 if not number else self._source.index(",", node.members[number - 1].node.end) + 1
        return self._source[begin : member.start]

    def _key(self, node: Node, key: str | int) -> str:
        if isinstance(key, int):
            return ""
        model = node.members[-1]
        colon = self._source[model.start : model.node.start].rpartition('"')[2]
        return json.dumps(key, ensure_ascii=False) + colon

    def _fresh(self, value: Any, base: str | None) -> str:  # noqa: ANN401 - JSON
        if base is None:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":") if self._is_minified else None)
        lines = json.dumps(value, ensure_ascii=False, indent=self._indentation).split("\n")
        return (self._newline + base).join(lines)


def _pairs_in_object(node: Node, value: dict[str, Any]) -> list[tuple[int | None, str | int, Any]]:
    """What is to be written: the number of the old member, the key, the new value. What is new comes last."""
    old = [member.key for member in node.members]
    kept = [(at, key, value[str(key)]) for at, key in enumerate(old) if key in value]
    return [*kept, *((None, key, child) for key, child in value.items() if key not in old)]


def _pairs_in_list(node: Node, value: list[Any]) -> list[tuple[int | None, str | int, Any]]:
    pairs: list[tuple[int | None, str | int, Any]] = []
    old, new = ([json.dumps(item, sort_keys=True) for item in items] for items in (node.value, value))
    for _, begin, end, new_begin, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        for offset, item in enumerate(value[new_begin:new_end]):
            pairs.append((begin + offset if begin + offset < end else None, new_begin + offset, item))
    return pairs


def _below(lead: str) -> str | None:
    """How far a member on a line of its own is indented; None when it is on no line of its own."""
    return lead.rpartition("\n")[2] if "\n" in lead else None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
