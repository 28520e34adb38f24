"""The pages as a person uses them: filter, open, click a box, compare two models, print; and what hostile text does not do."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import fixtures
import fixtures_models
import pytest
from test_report_hostile import hostile

from specdiff.report import gallery, render_check, render_inspect
from specdiff.results import CheckResult, Finding


def opened(browser: Any, folder: Path, text: str) -> Any:
    page = folder / "page.html"
    page.write_text(text, encoding="utf-8")
    browser.get_log("browser")
    browser.get(page.as_uri())
    return browser


def complaints(browser: Any) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if "ERR_FILE_NOT_FOUND" not in entry["message"]]


def visible(browser: Any, selector: str) -> int:
    script = "return [...document.querySelectorAll(arguments[0])].filter(e => e.getClientRects().length).length"
    return int(browser.execute_script(script, selector))


def with_lines(result: CheckResult) -> CheckResult:
    """The result with a text for each file its evidence points into."""
    files = {step.file for claim in result.claims for step in claim.evidence}
    return replace(result, sources={file: "\n".join(f"line {n}" for n in range(1, 900)) for file in files})


def cards() -> list[gallery.Card]:
    one, other = fixtures.check_match(), fixtures.check_problems()
    wider = {**other.code.sheet.facts, "hidden_size": fixtures.fact("hidden_size", 9999, 1)}
    other = replace(other, code=replace(other.code, sheet=replace(other.code.sheet, facts=wider)))
    return [gallery.card(replace(one, name="one"), "one"), gallery.card(replace(other, name="other"), "other")]


def test_claims_are_filtered_by_status_and_open_to_quote_and_lines(browser: Any, tmp_path: Path) -> None:
    result = with_lines(fixtures.check_problems())
    opened(browser, tmp_path, render_check(result, "html"))
    everything = visible(browser, "details.claim")
    assert everything == len(result.claims)
    browser.find_element("css selector", "label:has(#show-mismatch)").click()
    wrong = [claim for claim in result.claims if claim.status == "mismatch" and not claim.known_deviation]
    assert visible(browser, "details.claim") == len(wrong) < everything
    row = browser.find_element("css selector", "details.claim[data-status=mismatch]")
    assert row.get_attribute("open") is not None, "what is wrong is open from the start"
    assert wrong[0].source.quote in row.text
    assert visible(browser, "details.claim[data-status=mismatch] pre .hit") >= 1
    assert complaints(browser) == []


def test_a_click_on_a_box_shows_its_part(browser: Any, tmp_path: Path) -> None:
    opened(browser, tmp_path, render_check(fixtures.check_match(), "html"))
    browser.execute_script(
        "document.querySelector('.figure .box.attention').dispatchEvent(new MouseEvent('click', {bubbles: true}))"
    )
    assert browser.execute_script("return [...document.querySelectorAll('.part[open]')].length") == 1
    before = browser.execute_script("return document.querySelector('.figure svg').getBoundingClientRect().width")
    browser.find_element("css selector", "[data-zoom=in]").click()
    assert browser.execute_script("return document.querySelector('.figure svg').getBoundingClientRect().width") > before


@pytest.mark.parametrize("kind", ["check", "inspect", "wide", "gallery"])
def test_pages_have_no_accessibility_violations(kind: str, browser: Any, axe: str, tmp_path: Path) -> None:
    text = {
        "check": lambda: render_check(with_lines(fixtures.check_problems()), "html"),
        "inspect": lambda: render_inspect([fixtures.gpt_oss()], "html"),
        "wide": lambda: render_inspect([fixtures_models.encoder_decoder()], "html"),
        "gallery": lambda: gallery.page(cards()),
    }[kind]()
    # The page's own policy forbids the checker's script too; it is lifted for the check only.
    opened(browser, tmp_path, text.replace('http-equiv="Content-Security-Policy"', 'name="lifted"'))
    browser.execute_script(axe)
    found = browser.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    assert [(each["id"], [node["html"][:160] for node in each["nodes"]]) for each in found["violations"]] == []


def test_two_models_are_compared_side_by_side(browser: Any, tmp_path: Path) -> None:
    opened(browser, tmp_path, gallery.page(cards()))
    assert visible(browser, "article.model") == 2
    for box in browser.find_elements("css selector", ".pick"):
        box.click()
    rows = visible(browser, "#rows tr")
    assert rows == visible(browser, "#rows tr.differs") > 0
    browser.find_element("css selector", "#differences").click()
    assert visible(browser, "#rows tr") > rows
    browser.find_element("css selector", "#search").send_keys("other")
    assert visible(browser, "article.model") == 1
    assert browser.find_element("css selector", "#shown").text == "1 of 2 models"
    assert complaints(browser) == []


def test_pages_print(browser: Any, tmp_path: Path) -> None:
    opened(browser, tmp_path, render_check(fixtures.check_problems(), "html"))
    data = base64.b64decode(browser.print_page())
    assert data.startswith(b"%PDF") and len(data) > 10_000


def test_text_of_specs_and_code_runs_nothing(browser: Any, tmp_path: Path) -> None:
    result = hostile()
    shown = [
        render_check(result, "html"),
        render_inspect([result.code], "html"),
        gallery.page([gallery.card(result, "x")]),
    ]
    for text in shown:
        opened(browser, tmp_path, text)
        assert browser.execute_script("return document.querySelectorAll('img[onerror], [src=x]').length") == 0
        scripts = browser.execute_script("return [...document.scripts].map(s => s.textContent)")
        assert not any(
            "alert(1)" in script and "JSON" not in script and not script.startswith("[") for script in scripts
        )
        with pytest.raises(Exception, match="no such alert"):
            browser.switch_to.alert.accept()
        assert not [entry for entry in complaints(browser) if "Content Security Policy" in entry]


def test_the_largest_kind_of_page_stays_small(tmp_path: Path) -> None:
    result = with_lines(fixtures.check_problems())
    many = tuple(Finding(f.id, f.severity, f.confidence, f.message, f.primary, f.related) for f in result.findings) * 50
    text = render_check(replace(result, findings=many), "html")
    assert len(text.encode()) < 2_000_000
