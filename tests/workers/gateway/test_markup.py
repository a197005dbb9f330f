"""Text as Discord reads it."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from teamsup.workers.gateway.markup import escape, sanitize_file_name, tables_to_code, utf16_length


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("CPU at 97 % on web-1 (see #4)", "CPU at 97 % on web-1 (see #4)"),
        ("@everyone @here", "@\u200beveryone @\u200bhere"),
        ("@\u202eeveryone ev@every\u200fone", "@\u200beveryone ev@\u200beveryone"),
        ("<@1> <@!1> <@&1> <#1> <:a:1>", r"\<@​1> \<@​!1> \<@​&1> \<#1> \<:a:1>"),
        ("[https://bank.example](https://evil.example)", r"\[https://bank.example](https://evil.example)"),
        ("`a` ```b\nc```", "\\`a\\` \\`\\`\\`b\nc\\`\\`\\`"),
        ("**a** __b__ ~~c~~ ||d|| \\*e", r"\*\*a\*\* \_\_b\_\_ \~\~c\~\~ \|\|d\|\| \\\*e"),
        ("see https://example.org/a_b_c", "see https://example.org/a_b_c"),
        ("# a\n-# b\n> c\n  - d\n1. e", "\\# a\n\\-# b\n\\> c\n  \\- d\n1\\. e"),
        ("a\0b\x1b[0m\r\nc", "ab\\[0m\nc"),
    ],
)
def test_foreign_words_have_no_effect(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_foreign_words_are_bounded() -> None:
    assert escape("a" * 50, most=50) == "a" * 50
    assert escape("a" * 51, most=50) == "a" * 49 + "…"
    assert escape("*" * 40, most=50) == "\\*" * 24 + "…"


@settings(deadline=None)
@given(some.text(some.sampled_from("@<>!&#0123456789everyonhrt`*_~|[]()\\ \n.:/-\u202e👋"), max_size=300))
def test_no_foreign_text_pings_or_hides_anything(text: str) -> None:
    shown = escape(text, most=200)

    assert utf16_length(shown) <= 200
    assert not re.search(r"@(?!\u200b)", shown)
    assert not re.search(r"(?<!\\)(?:\\\\)*[`\[<]", shown.replace("\u200b", ""))


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("Bericht für März.pdf", "Bericht_für_März.pdf"),
        ("../../.ssh/authorized_keys", "_.._.ssh_authorized_keys"),
        (".bashrc", "bashrc"),
        ("..", "file"),
        ("", "file"),
        ("a\nb\0c.txt", "a_b_c.txt"),
        ("-rf", "rf"),
        ("отчёт-за-май.pdf", "отчёт-за-май.pdf"),
        ("отчё\u0308т-май\u0306.pdf".replace("ё", "е").replace("й", "и"), "отчёт-май.pdf"),
        ("हिन्दी.txt", "हिन्दी.txt"),
        ("a\u202eb\u200bc.txt", "a_b_c.txt"),
    ],
)
def test_a_file_is_named_so_that_it_leads_nowhere_else(name: str, safe: str) -> None:
    assert sanitize_file_name(name) == safe


@pytest.mark.parametrize("name", ["x" * 300 + ".txt", "日" * 300 + ".txt", "." + "y" * 300, "a." + "z" * 300])
def test_a_long_name_keeps_its_end_where_it_can(name: str) -> None:
    safe = sanitize_file_name(name)

    assert 0 < len(safe.encode()) <= 100
    assert Path(safe).name == safe
    assert safe.endswith(".txt") is name.endswith(".txt")


TABLE = "| VM | Load |\n|:---|---:|\n| **web-1** | 97 % |\n| 語 | `1` |\n"
CODE = "```\nVM     Load\n-----  ----\nweb-1  97 %\n語     1\n```\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (TABLE, CODE),
        (f"Look:\n\n{TABLE}\nThat is all.", f"Look:\n\n{CODE}\nThat is all."),
        (TABLE.strip(), CODE.strip()),
        ("lead: | a |\n  |---|\n  | b |", "lead:\n  ```\n  a\n  -\n  b\n  ```"),
        ("| a | b |\n|---|---|\n| c |\n| d \\| e | f |", "```\na      b\n-----  -\nc\nd | e  f\n```"),
        ("| a | b |\n| c | d |", "| a | b |\n| c | d |"),
        (f"```\n{TABLE}```\n", f"```\n{TABLE}```\n"),
        ("| a | ||b|| |\n|---|---|\n", "| a | ||b|| |\n|---|---|\n"),
        ("a | b, c || d", "a | b, c || d"),
        ("| a |\n|---|\n| " + "x" * 130 + " |", "```\na\n---\n" + "x" * 130 + "\n```"),
    ],
)
def test_a_table_becomes_code_with_aligned_columns(text: str, shown: str) -> None:
    assert tables_to_code(text) == shown
