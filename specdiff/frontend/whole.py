"""Chunks by parsing the whole file, for text that the scanner is not sure of."""

from __future__ import annotations

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from specdiff.frontend.lower import problem_of
from specdiff.frontend.scan import Chunk, Comment, names_in


def chunks_of(text: str, name: str) -> tuple[tuple[Chunk, ...], tuple[Comment, ...]]:
    """Top-level chunks; classes are not cut into members.

    Raises:
        SourceError: the text is not Python.
    """
    try:
        module = cst.parse_module(text)
    except cst.ParserSyntaxError as error:
        raise problem_of(error, 0, name, text) from None
    wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
    positions = wrapper.resolve(PositionProvider)
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    chunks = []
    for node in module.body:
        place = positions[node]
        first = place.start.line
        if isinstance(node, cst.FunctionDef | cst.ClassDef) and node.decorators:
            first = min(first, positions[node.decorators[0]].start.line)
        start, end = starts[first - 1], min(starts[place.end.line], len(text))
        own = node.name.value if isinstance(node, cst.FunctionDef | cst.ClassDef) else ""
        kind = (
            "class"
            if isinstance(node, cst.ClassDef)
            else "simple"
            if isinstance(node, cst.SimpleStatementLine)
            else "compound"
        )
        binds, mentions = (frozenset({own}), frozenset()) if own else names_in(text[start:end], kind == "compound")
        chunks.append(
            Chunk(kind, own, first, place.start.line, place.end.line, start, end, 0, 0, (), binds, mentions, ())
        )
    return tuple(chunks), ()
