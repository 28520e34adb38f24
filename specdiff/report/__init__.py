"""Renderings of results. A renderer is imported when its format is asked for, and not before.

Adding a format: a module beside this file, its name in the constant, and a case in the function below it.
"""
# ruff: noqa: A002, PLC0415 - `format` is what callers and the command line call it; rich, jinja2 and graphviz cost more than a check does; only the asked-for renderer loads

from __future__ import annotations

from collections.abc import Collection, Sequence

from specdiff.results import CheckResult, ClassResult

CHECK_FORMATS: tuple[str, ...] = ("terminal", "markdown", "html", "json", "sarif", "junit", "github")
INSPECT_FORMATS: tuple[str, ...] = ("terminal", "markdown", "html", "json", "jsonl", "sarif", "github")
DIAGRAM_LEVELS: tuple[str, ...] = ("model", "block", "operations")
DIAGRAM_FORMATS: tuple[str, ...] = ("svg", "png", "pdf", "dot", "mermaid")


def render_check(result: CheckResult | Sequence[CheckResult], format: str, color: bool = False) -> str:
    """Results of a check as text.

    Args:
        result: One result, or several for one document.
        format: One of `CHECK_FORMATS`.
        color: Whether the terminal's text may have colours.

    Raises:
        KeyError: the format is not one of them.
    """
    results = (result,) if isinstance(result, CheckResult) else tuple(result)
    match format:
        case "terminal":
            from specdiff.report import terminal

            return terminal.check_text(results, color)
        case "markdown":
            from specdiff.report import markdown

            return markdown.check_page(results)
        case "html":
            from specdiff.report import html

            return html.check_page(results)
        case "json":
            from specdiff.report import json_v1

            return json_v1.check_document(results)
        case "sarif":
            from specdiff.report import sarif

            return sarif.check_document(results)
        case "junit":
            from specdiff.report import junit

            return junit.check_document(results)
        case "github":
            from specdiff.report import github

            return github.check_document(results)
        case _:
            raise KeyError(format)


def render_inspect(results: Sequence[ClassResult], format: str, color: bool = False, only: Collection[str] = ()) -> str:
    """Inspected classes as text.

    Args:
        results: The classes, in the order in which they are to be shown.
        format: One of `INSPECT_FORMATS`.
        color: Whether the terminal's text may have colours.
        only: The parts that were computed (JSON leaves the others out); empty means all.

    Raises:
        KeyError: the format is not one of them.
    """
    match format:
        case "terminal":
            from specdiff.report import terminal

            return terminal.inspect_text(results, color)
        case "markdown":
            from specdiff.report import markdown

            return markdown.inspect_page(results)
        case "html":
            from specdiff.report import html

            return html.inspect_page(results)
        case "json" | "jsonl":
            from specdiff.report import json_v1

            return json_v1.inspect_document(results, only) if format == "json" else json_v1.inspect_rows(results, only)
        case "sarif":
            from specdiff.report import sarif

            return sarif.inspect_document(results)
        case "github":
            from specdiff.report import github

            return github.inspect_document(results)
        case _:
            raise KeyError(format)


def render_inspect_row(result: ClassResult, only: Collection[str] = ()) -> str:
    """One class as a line of `jsonl`, newline included."""
    from specdiff.report.json_v1 import inspect_row

    return inspect_row(result, only)


def render_diagram(result: ClassResult | CheckResult, format: str, level: str = "model") -> bytes:
    """A model's architecture as people draw it; for a check, blocks carry the status of their claims.

    Args:
        result: What to draw.
        format: One of `DIAGRAM_FORMATS`.
        level: One of `DIAGRAM_LEVELS`.

    Raises:
        KeyError: the format or the level is not one of them.
        SpecdiffError: the class could not be built, or no Graphviz program or library was found.
    """
    if format not in DIAGRAM_FORMATS or level not in DIAGRAM_LEVELS:
        raise KeyError(format)
    from specdiff.report.diagram import draw

    return draw(result, format, level)


def render_contrast(
    left: ClassResult, right: ClassResult, titles: tuple[str, str], format: str, level: str = "model"
) -> bytes:
    """Two architectures side by side: what they share is grey, what differs or stands alone is marked.

    Args:
        left: One class.
        right: Another.
        titles: What they are called.
        format: One of `DIAGRAM_FORMATS`.
        level: `model` or `block`.

    Raises:
        KeyError: the format or the level is not one of them.
        SpecdiffError: one of them could not be built, or no Graphviz program or library was found.
    """
    if format not in DIAGRAM_FORMATS or level not in ("model", "block"):
        raise KeyError(format)
    from specdiff.report.diagram import draw_both

    return draw_both(left, right, titles, format, level)
