"""Splits a model's parameters by what they are for, and says how many bytes they take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

from specdiff.facts import FactSheet
from specdiff.graph.roles import Role, descendants, expert_count, is_container, is_stack, role, router
from specdiff.results import ClassResult, ModuleNode

PARTS = (
    "embedding",
    "attention",
    "token mixer",
    "feed-forward",
    "experts",
    "shared experts",
    "router",
    "norms",
    "convolution",
    "head",
    "other",
)
"""In the order of the tables."""

BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0, "int8": 1.0, "int4": 0.5}
"""Bytes per parameter by number format."""

CACHE_FORMAT = "bfloat16"
"""What the cache is taken to have where the configuration names no format: the usual one for inference."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a model weighs."""

    parts: dict[str, int]
    """Parameters per part of `PARTS`; parts without any are left out; tied ones count once."""
    checkpoint: dict[str, int]
    """Bytes of all parameters, by number format; `quantized` as published where the sheet says so."""
    cache_per_token: int | None
    """Bytes that one further token adds to the key and value cache in the layers that keep all tokens."""
    cache_full: int | None
    """Bytes of the cache of one sequence at full context, layers with a window keeping the window only."""
    cache_format: str
    """The number format of the cache: what the configuration names, else `CACHE_FORMAT`."""
    context: int | None


_BY_ROLE = {
    Role.NORM: "norms",
    Role.EMBEDDING: "embedding",
    Role.CONV: "convolution",
    Role.ATTENTION: "attention",
    Role.CROSS: "attention",
    Role.MIXER: "token mixer",
    Role.MLP: "feed-forward",
}


def split(tree: ModuleNode, tied: Iterable[tuple[str, str]], known: Mapping[str, str]) -> dict[str, int]:
    """Parameters per part of `PARTS`; parts without any are left out; tied ones count once.

    Args:
        tree: The module tree, like modules folded.
        tied: (later name, first name) of parameters that are one.
        known: Parts by parameter name as the data flow tells them; the tree's shape answers for the others.
    """
    counts: dict[str, int] = {}
    doubles = {name for name, _ in tied}
    vocabulary = {
        param.shape[0]
        for node, _ in _walk(tree, "")
        if node.children == () and role(node) is Role.EMBEDDING
        for param in node.params
        if len(param.shape) == 2
    }

    def add(node: ModuleNode, path: str, part: str, copies: int) -> None:
        for param in node.params:
            name = f"{path}.{param.name}".lstrip(".")
            if name not in doubles:
                of = known.get(name, part)
                counts[of] = counts.get(of, 0) + prod(param.shape) * copies

    def visit(node: ModuleNode, path: str, part: str, copies: int, in_stack: bool) -> None:
        # What holds a whole stack is no part of a block, whatever stands below it.
        kind = Role.OTHER if any(is_stack(each) for each in descendants(node)) else role(node)
        inner = part
        if part == "other" and kind in _BY_ROLE and kind is not Role.EMBEDDING:
            inner = _BY_ROLE[kind]
        add(node, path, inner if node.children else _own_part(node, part, in_stack, vocabulary), copies)
        gate = router(node) if kind is Role.MOE else None
        for child in node.children:
            place = f"{path}.{child.names[0]}".lstrip(".")
            below = inner
            if kind is Role.MOE:
                below = "router" if child is gate else "experts" if _holds_experts(child) else "shared experts"
            visit(child, place, below, copies * child.count, in_stack or is_stack(node))

    visit(tree, "", "other", tree.count, False)
    return {part: counts[part] for part in PARTS if counts.get(part)}


def _holds_experts(node: ModuleNode) -> bool:
    """Whether a part of an expert layer holds the routed experts: stacked weights, or a list of networks."""
    return expert_count(node) > 1 or (is_container(node) and sum(child.count for child in node.children) > 1)


def _own_part(node: ModuleNode, part: str, in_stack: bool, vocabulary: set[int]) -> str:
    """The part of a leaf's own parameters."""
    kind = role(node)
    if kind is Role.NORM:
        return "norms"
    if part != "other":
        return part
    if (
        kind is Role.LINEAR
        and not in_stack
        and any(len(param.shape) == 2 and param.shape[0] in vocabulary for param in node.params)
    ):
        return "head"
    return _BY_ROLE.get(kind, part)


def _walk(node: ModuleNode, path: str) -> Iterable[tuple[ModuleNode, str]]:
    yield node, path
    for child in node.children:
        yield from _walk(child, f"{path}.{child.names[0]}".lstrip("."))


def budget(result: ClassResult) -> Budget:
    """What an analysed class weighs: parameters by part, bytes on disk, bytes of cache."""
    total = result.total_parameters
    checkpoint = {name: int(total * size) for name, size in BYTES.items()} if total is not None else {}
    published = _number(result.sheet, "checkpoint.bytes")
    if published is not None:
        checkpoint["as published"] = int(published)
    per_token, cache_format = _cache_per_token(result.sheet)
    context = _number(result.sheet, "context_length")
    full = _cache_full(result.sheet, per_token, context)
    return Budget(
        result.parts,
        checkpoint,
        None if per_token is None else int(per_token),
        full,
        cache_format,
        None if context is None else int(context),
    )


def _cache_per_token(sheet: FactSheet) -> tuple[float | None, str]:
    """Bytes per token and the format they are counted in."""
    named = sheet.facts.get("dtype")
    known = _number(sheet, "kv_cache.bytes_per_token")
    if known is not None and named is not None:
        return known, str(named.value)
    elements = _number(sheet, "kv_cache.elements_per_token")
    return None if elements is None else elements * BYTES[CACHE_FORMAT], CACHE_FORMAT


def _cache_full(sheet: FactSheet, per_token: float | None, context: float | None) -> int | None:
    """At full context: layers with a window keep at most the window."""
    if per_token is None or context is None:
        return None
    layers = _number(sheet, "layers")
    window = _number(sheet, "attention.window.size")
    fact = sheet.facts.get("attention.window.layers")
    limited = len(fact.value) if fact is not None and isinstance(fact.value, tuple) else 0
    if not limited or layers is None or window is None:
        return int(per_token * context)
    pattern = sheet.facts.get("layers.pattern")
    attending = int(layers)
    if pattern is not None and isinstance(pattern.value, tuple):
        attending = sum(kind in ("full", "sliding", "chunked", "cross") for kind in pattern.value) or attending
    each = per_token / attending
    return int(each * ((attending - limited) * context + limited * min(window, context)))


def _number(sheet: FactSheet, key: str) -> float | None:
    fact = sheet.facts.get(key)
    value = fact.value if fact is not None else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def fits(bytes_needed: Mapping[str, int], cache: int | None, memory: int) -> dict[str, bool]:
    """Whether weights of each number format and one sequence's full cache fit a memory, both in bytes."""
    return {name: size + (cache or 0) <= memory for name, size in bytes_needed.items()}
