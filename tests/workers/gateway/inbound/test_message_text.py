"""The text of embeds, components and mentions."""

from typing import Any

import discord
import pytest
from discord.components import _component_factory

from teamsup.workers.gateway.inbound.message_text import describe_component, describe_embed, name_mentions

TEXT = {"type": 10, "content": "# Build 7"}
PICTURE = {"type": 11, "media": {"url": "https://ci.example/p.png"}, "description": "a graph"}
LINK = {"type": 2, "style": 5, "label": "Open", "url": "https://ci.example/7"}


@pytest.mark.parametrize(
    ("embed", "text"),
    [
        ({"title": "Build 7 failed", "url": "https://ci.example/7"}, "Build 7 failed <https://ci.example/7>"),
        (
            {"author": {"name": "CI"}, "description": "two tests", "footer": {"text": "main"}},
            "CI\ntwo tests\nmain",
        ),
        ({"fields": [{"name": "Branch", "value": "main"}, {"name": "By", "value": "Ann"}]}, "Branch: main\nBy: Ann"),
        ({"image": {"url": "https://ci.example/p.png"}}, "(picture: https://ci.example/p.png)"),
        ({}, ""),
    ],
)
def test_an_embed_is_heard(embed: Any, text: str) -> None:  # noqa: ANN401 - JSON
    assert describe_embed(discord.Embed.from_dict(embed)) == text


@pytest.mark.parametrize(
    ("component", "text"),
    [
        (TEXT, "# Build 7"),
        ({"type": 17, "components": [TEXT, {"type": 14}, TEXT]}, "# Build 7\n# Build 7"),
        ({"type": 9, "components": [TEXT], "accessory": LINK}, "# Build 7\n[Open <https://ci.example/7>]"),
        (
            {"type": 9, "components": [TEXT], "accessory": PICTURE},
            "# Build 7\n(picture: a graph, https://ci.example/p.png)",
        ),
        (
            {"type": 12, "items": [{"media": {"url": "https://ci.example/p.png"}}]},
            "(picture: https://ci.example/p.png)",
        ),
        ({"type": 1, "components": [{"type": 2, "style": 1, "label": "Retry", "custom_id": "r"}, LINK]},
         "[Retry]\n[Open <https://ci.example/7>]"),
        ({"type": 14}, ""),
    ],
)  # fmt: skip
def test_a_component_is_heard(component: Any, text: str) -> None:  # noqa: ANN401 - JSON
    assert "\n".join(describe_component(_component_factory(component))) == text


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("ask <@1> or <@!1>", "ask <@1> (@Ann) or <@!1> (@Ann)"),
        ("<@&2> in <#3>", "<@&2> (@ops) in <#3> (#general)"),
        ("<@4> and @1", "<@4> and @1"),
        ("<@5>", "<@5> (@two lines �)"),
    ],
)
def test_a_mention_has_its_name_beside_it(text: str, named: str) -> None:
    assert name_mentions(text, {1: "@Ann", 2: "@ops", 3: "#general", 5: "@two\nlines \u202e"}) == named
