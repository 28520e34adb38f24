"""Content of specs and analysed code is data in every kind."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import fixtures
import pytest

from specdiff.facts import Evidence
from specdiff.report import CHECK_FORMATS, DIAGRAM_FORMATS, render_check, render_diagram
from specdiff.results import CheckResult, SourceDocument, SourceRef, Status

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m`|\n# x [a](javascript:alert(3)) {{7*7}} @you"


def hostile() -> CheckResult:
    """A result with markup in every text."""
    result = fixtures.check_problems()
    step = Evidence(EVIL, 1, 1, EVIL)
    claims = tuple(
        replace(
            claim,
            key=EVIL if index == 0 else claim.key,
            status=Status.MISMATCH,
            expected=EVIL,
            actual=EVIL,
            source=SourceRef("card", EVIL, EVIL),
            evidence=(step,),
            reason=EVIL,
        )
        for index, claim in enumerate(result.claims[:6])
    )
    finding = replace(result.findings[0], message=EVIL, id=EVIL, primary=step)
    assert result.code.tree is not None
    tree = replace(result.code.tree, children=tuple(_renamed(child) for child in result.code.tree.children))
    code = replace(result.code, name=EVIL, file=EVIL, tree=tree, findings=(finding,))
    return replace(
        result,
        spec=EVIL,
        name=EVIL,
        target=EVIL,
        claims=claims,
        findings=(finding,),
        documents=(SourceDocument("card", EVIL, "javascript:alert(4)"),),
        code=code,
        sources={EVIL: EVIL},
        release={EVIL: EVIL},
    )


def _renamed(node):  # type: ignore[no-untyped-def]
    return replace(node, class_name=EVIL, children=tuple(_renamed(child) for child in node.children))


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_html_is_inert() -> None:
    text = render_check(hostile(), "html")
    tags = _Tags()
    tags.feed(text)
    assert [tag for tag, _ in tags.found].count("script") == 1
    assert not any(tag == "img" for tag, _ in tags.found)
    assert not any(name.startswith("on") for _, attributes in tags.found for name in attributes)
    links = [attributes.get("href") or attributes.get("xlink:href") for _, attributes in tags.found]
    assert all(link.startswith(("#", "https://")) for link in links if link)
    assert "49" not in [part.strip() for part in text.split("@you")[0].split(" x ")]


def test_html_loads_nothing() -> None:
    text = render_check(fixtures.check_problems(), "html")
    tags = _Tags()
    tags.feed(text)
    assert not any("src" in attributes for _, attributes in tags.found)
    assert not any(tag in ("link", "iframe", "object", "embed") for tag, _ in tags.found)
    assert "default-src 'none'" in text
    assert len(text) < 2_000_000


def test_terminal_has_no_escapes() -> None:
    text = render_check(hostile(), "terminal")
    assert "\x1b" not in text


def test_markdown_is_escaped() -> None:
    outside_code = re.sub(r"`[^`\n]*`", "", render_check(hostile(), "markdown"))
    assert "<script" not in outside_code
    assert "<img" not in outside_code
    assert "](javascript" not in outside_code.replace("\\]", "")


def test_sarif_and_json_parse() -> None:
    for kind in ("json", "sarif"):
        json.loads(render_check(hostile(), kind))


def test_svg_is_well_formed_and_has_no_script() -> None:
    root = ET.fromstring(render_diagram(hostile(), "svg"))
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert names <= {"svg", "g", "title", "polygon", "path", "text", "ellipse", "rect", "circle", "tspan"}
    for element in root.iter():
        assert not any(name.rpartition("}")[2] == "href" for name in element.attrib)


@pytest.mark.parametrize("kind", [*CHECK_FORMATS])
def test_every_format_takes_it(kind: str) -> None:
    assert render_check(hostile(), kind)


@pytest.mark.parametrize("kind", DIAGRAM_FORMATS)
def test_every_drawing_takes_it(kind: str) -> None:
    assert render_diagram(hostile(), kind)
