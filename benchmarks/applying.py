"""Applies operators to a file's text, in memory: which sites are taken is a matter of a seed alone."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

import libcst as cst
from libcst.metadata import ByteSpanPositionProvider

from benchmarks.operators.editing import Mutant, Operator, Splice, code
from benchmarks.operators.pieces import literal_one


def spans(module: cst.Module) -> dict[cst.CSTNode, tuple[int, int]]:
    """Where expressions and arguments stand in the text, in bytes."""
    wrapper = cst.MetadataWrapper(module, unsafe_skip_copy=True)
    found = wrapper.resolve(ByteSpanPositionProvider)
    return {node: (span.start, span.start + span.length) for node, span in found.items()}


def mutants(
    text: str,
    operator: Operator,
    values: dict[str, object],
    most: int = 1,
    seed: str = "",
    parsed: cst.Module | None = None,
    places: dict[cst.CSTNode, tuple[int, int]] | None = None,
) -> Iterator[Mutant]:
    """Mutants of one file by one operator, at most `most`; which ones is a matter of the seed."""
    module = parsed if parsed is not None else cst.parse_module(text)
    found = 0
    if operator.id in ("dead-setting", "literal"):
        rows: Iterator[object] = literal_one(module, values, everywhere=operator.id == "dead-setting")
    else:
        rows = operator.sites(module)
    if seed:
        # Digests of place and seed: any site may come first, and the same one in every run.
        numbered = list(enumerate(_parsed(rows)))
        numbered.sort(key=lambda item: hashlib.sha256(f"{seed}\0{operator.id}\0{item[0]}".encode()).digest())
        rows = (row for _, row in numbered)
    for row in rows:
        if isinstance(row, cst.Module):
            changed, before, after, line = row.code, "", "", _first_difference(text, row.code)
        elif isinstance(row, Splice):
            changed = text[: row.start] + row.text + text[row.end :]
            before, after, line = text[row.start : row.end], row.text, _first_difference(text, changed)
        else:
            old, new = row  # type: ignore[misc]
            try:
                changed = (
                    spliced
                    if places and (spliced := _spliced(text, old, new, places)) is not None
                    else module.deep_replace(old, new).code
                    if not isinstance(new, cst.RemovalSentinel | cst.FlattenSentinel)
                    else _with(module, old, new)
                )
            except (cst.ParserSyntaxError, cst.CSTValidationError):
                continue
            before = code(old).strip()
            after = (
                ""
                if isinstance(new, cst.RemovalSentinel)
                else ""
                if isinstance(new, cst.FlattenSentinel)
                else code(new).strip()
            )
            line = _first_difference(text, changed)
        if changed == text:
            continue
        try:
            compile(changed, "mutant", "exec")
        except SyntaxError:
            continue
        yield Mutant(operator.id, line, " ".join(before.split())[:160], " ".join(after.split())[:160], changed)
        found += 1
        if found >= most:
            return


def _spliced(text: str, old: cst.CSTNode, new: cst.CSTNode, places: dict[cst.CSTNode, tuple[int, int]]) -> str | None:
    """The text with one expression or argument replaced; None where its place in the text is not plain."""
    if old not in places or not isinstance(old, cst.BaseExpression | cst.Arg):
        return None
    start, end = places[old]
    data = text.encode()
    before, after = (code(node).strip().removesuffix(",").strip() for node in (old, new))
    if data[start:end].decode() != before:
        return None
    return (data[:start] + after.encode() + data[end:]).decode()


def _parsed(rows: Iterator[object]) -> Iterator[object]:
    """What comes before an edit that gives no Python."""
    with contextlib.suppress(cst.ParserSyntaxError):
        yield from rows


class _Replace(cst.CSTTransformer):
    def __init__(self, old: cst.CSTNode, new: object) -> None:
        self.old, self.new = old, new

    def on_leave(self, original_node: cst.CSTNode, updated_node: cst.CSTNode) -> object:  # type: ignore[override]
        return self.new if original_node is self.old else super().on_leave(original_node, updated_node)


def _with(module: cst.Module, old: cst.CSTNode, new: object) -> str:
    changed = module.visit(_Replace(old, new))
    assert isinstance(changed, cst.Module)
    return changed.code


def _first_difference(left: str, right: str) -> int:
    for number, (a, b) in enumerate(zip(left.split("\n"), right.split("\n")), 1):
        if a != b:
            return number
    return 0
