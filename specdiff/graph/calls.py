"""The call graph of one run: every call between functions of the model code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from specdiff.interp.objects import Function

if TYPE_CHECKING:
    import networkx

ENTRY = "<entry>"


def function_id(function: Function | None) -> str:
    """``file::qualified.name:first line``; the first decorator's line where there is one."""
    return ENTRY if function is None else f"{function.file}::{function.qualname}:{function.line}"


def call_edges(edges: dict[tuple[Function | None, Function], None]) -> tuple[tuple[str, str], ...]:
    """(caller, callee) ids in order of first occurrence, each once."""
    return tuple(dict.fromkeys((function_id(caller), function_id(callee)) for caller, callee in edges))


def call_graph(edges: tuple[tuple[str, str], ...]) -> networkx.DiGraph[Any]:
    """The edges as a directed graph."""
    import networkx  # noqa: PLC0415 - takes longer to import than most classes take to analyse

    graph: networkx.DiGraph[Any] = networkx.DiGraph()
    graph.add_edges_from(edges)
    return graph
