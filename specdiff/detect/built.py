"""What ``__init__`` builds says, from names and shapes of parameters, where ``forward`` could not be followed.

Names break ties here, and only here: a shape alone does not say which of several matrices makes the queries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from specdiff.detect.scene import Scene
from specdiff.detect.shape import made
from specdiff.facts import Evidence, Level

QUERY = re.compile(r"(?:^|[._])(?:q|query|wq|to_q)(?:_proj|_lin|_proj_layer|_layer)?$")
KEY = re.compile(r"(?:^|[._])(?:k|key|wk|to_k)(?:_proj|_lin|_proj_layer|_layer)?$")
VALUE = re.compile(r"(?:^|[._])(?:v|value|wv|to_v)(?:_proj|_lin|_proj_layer|_layer)?$")
OUTPUT = re.compile(r"(?:attn|attention)[^.]*\.(?:o|wo|out|output)(?:_proj|_lin)?$|(?:^|[._])(?:wo|o_proj)$")
UP = re.compile(r"(?:^|[._])(?:up_proj|fc1|w3|c_fc|dense_h_to_4h|fc_in|up)$")
TABLE = re.compile(r"(?:^|[._])(?:embed_tokens|wte|tok_embeddings|word_embeddings|embed_in|shared|embeddings)$")
EXPERT = re.compile(r"\.experts\.(\d+)\.")


def built(scene: Scene) -> None:
    """`layers`, `vocab_size`, `hidden_size`, `attention.*`, `mlp.size`, `moe.experts` and ties of a class with one stack."""
    if scene.operations is not None:
        return
    _embedding(scene)
    stacks = _stacks(scene)
    if len(stacks) != 1:
        return
    (container, numbers) = stacks[0]
    first = next(iter(scene.parameters_below(f"{container}.0")))
    scene.fact("layers", len(numbers), made(scene, first), Level.BUILT)
    _attention(scene, container, len(numbers))
    _feed_forward(scene, container, len(numbers))


def _stacks(scene: Scene) -> list[tuple[str, set[int]]]:
    """Outermost numbered containers whose numbers have no gap, each with its numbers."""
    numbers: dict[str, set[int]] = {}
    for name in scene.parameters:
        pieces = name.split(".")
        place = next((i for i, piece in enumerate(pieces) if piece.isdigit() and i), None)
        if place is not None:
            numbers.setdefault(".".join(pieces[:place]), set()).add(int(pieces[place]))
    found = [(container, each) for container, each in numbers.items() if each == set(range(len(each)))]
    return [(container, each) for container, each in found if len(each) > 1] or found


def _weights(scene: Scene, container: str, layers: int, name: re.Pattern[str]) -> list[tuple[str, tuple[int, ...]]]:
    """The one matrix of that name in each layer, experts left out; empty where a layer has none or several."""
    found: list[tuple[str, tuple[int, ...]]] = []
    for layer in range(layers):
        below = [
            each
            for each in scene.parameters_below(f"{container}.{layer}")
            if each.endswith(".weight")
            and name.search(each.removesuffix(".weight"))
            and not EXPERT.search(each)
            and "cross" not in each
            and "encoder_attn" not in each
        ]
        if len(below) != 1 or len(scene.parameters[below[0]]) != 2:
            return []
        found.append((below[0], scene.parameters[below[0]]))
    return found


def _rows(scene: Scene, weights: list[tuple[str, tuple[int, ...]]]) -> tuple[int, list[Evidence]] | None:
    """The rows that all layers' matrices have, with the line that builds the first."""
    rows = {shape[0] for _, shape in weights}
    return (rows.pop(), made(scene, weights[0][0])) if len(rows) == 1 else None


def _attention(scene: Scene, container: str, layers: int) -> None:
    parts = {letter: _weights(scene, container, layers, pattern) for letter, pattern in (
        ("q", QUERY), ("k", KEY), ("v", VALUE), ("o", OUTPUT),
    )}  # fmt: skip
    for letter, weights in parts.items():
        biases = {name.removesuffix("weight") + "bias" in scene.parameters for name, _ in weights}
        if len(biases) == 1:
            scene.fact(f"attention.bias.{letter}", biases.pop(), made(scene, weights[0][0]), Level.BUILT)
    query = _rows(scene, parts["q"])
    if query is None:
        return
    columns = {shape[1] for _, shape in parts["q"]}
    if len(columns) == 1:
        scene.fact("hidden_size", columns.pop(), query[1], Level.BUILT)
    part = "text_config" if scene.setting("text_config") is not None else ""
    heads = scene.setting("num_attention_heads", "n_head", "n_heads", part=part)
    if heads is None or not isinstance(heads[0], int) or heads[0] <= 0 or query[0] % heads[0]:
        return
    width = query[0] // heads[0]
    here = [*query[1], heads[1]]
    scene.fact("attention.head_dim", width, here, Level.BUILT)
    keys, values = _rows(scene, parts["k"]), _rows(scene, parts["v"])
    if keys is not None and values is not None and keys[0] == values[0] and keys[0] % width == 0:
        scene.fact("attention.kv_heads", keys[0] // width, [*keys[1], *here], Level.BUILT)


def _feed_forward(scene: Scene, container: str, layers: int) -> None:
    found = _rows(scene, _weights(scene, container, layers, UP))
    if found is not None:
        scene.fact("mlp.size", found[0], found[1], Level.BUILT)
    counts: set[int] = set()
    example = ""
    for layer in range(layers):
        numbers = [(int(match[1]), name) for name in scene.parameters_below(f"{container}.{layer}")
                   if (match := EXPERT.search(name))]  # fmt: skip
        if numbers:
            counts.add(max(number for number, _ in numbers) + 1)
            example = example or numbers[0][1]
    if len(counts) == 1:
        scene.fact("moe.experts", counts.pop(), made(scene, example), Level.BUILT)


def _embedding(scene: Scene) -> None:
    """Tables of tokens, and whether a head is one of them."""
    tables = [(name, shape) for name, shape in _tables(scene) if len(shape) == 2]
    rows = {shape[0] for _, shape in tables}
    if len(rows) != 1 or not tables:
        return
    name, (count, width) = tables[0]
    scene.fact("vocab_size", count, made(scene, name), Level.BUILT)
    names = {each for each, _ in tables}
    heads = [each for each, shape in scene.parameters.items() if shape == (count, width) and each not in names]
    tied = [pair for pair in scene.tied if set(pair) & names and set(pair) & set(heads)]
    if tied:
        scene.fact("embedding.tied", True, [*made(scene, name), *made(scene, tied[0][0])], Level.BUILT)
    elif len(heads) == 1 and not any(heads[0] in pair for pair in scene.tied):
        scene.fact("embedding.tied", False, [*made(scene, name), *made(scene, heads[0])], Level.BUILT)


def _tables(scene: Scene) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name, shape in scene.parameters.items():
        if name.endswith(".weight") and TABLE.search(name.removesuffix(".weight")):
            yield name, shape
