"""Absences that follow from others: a model without a recurrent mixer has no state size, one without rotation no base."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from specdiff import vocab
from specdiff.detect.scene import Scene, Tower
from specdiff.facts import Absence, Evidence, Fact, Level, Value
from specdiff.graph.operations import VIEWS, Operations
from specdiff.interp.trace import Op

Test = Callable[[Value], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """Where a key has been decided and its value passes a test, the keys below it are absent."""

    key: str
    lacks: Test
    """Of the value; None where the key itself is absent."""
    children: tuple[str, ...]
    """Keys, or with a dot at the end all keys below it."""
    why: str


def _none(value: Value) -> bool:
    return value is None or value is False or value in ("none", (), 0)


def _not(*names: str) -> Test:
    return lambda value: value not in names


def _without(*kinds: str) -> Test:
    return lambda value: isinstance(value, tuple) and not set(kinds) & set(value)


_BY_PARTS = ("beta_fast", "beta_slow", "truncate", "mscale", "mscale_all_dim")
_BY_WAVELENGTH = ("low_freq_factor", "high_freq_factor")
_BY_FREQUENCY = ("short_factor", "long_factor")


def _never(value: Value) -> bool:
    return False


def _scaling(*names: str) -> tuple[str, ...]:
    return tuple(f"rope.scaling.{name}" for name in names)


RULES: tuple[Rule, ...] = (
    Rule("layers", _never, ("hidden_size", "layers.pattern", "layers.shared_blocks"),
         "of which only what is open about it says something"),
    Rule("layers.pattern", _never, ("attention.kind", "ssm.kind", "linear_attention.kind", "conv.kernel"),
         "of which only what is open about it says something"),
    Rule("norm.kind", _none, ("norm.eps", "norm.dtype", "norm.product_dtype", "norm.bias", "norm.weight_offset", "norm.placement"),
         "nothing in the blocks is normalised"),
    Rule("ssm.kind", _none, ("ssm.", "multiplier.ssm_in", "multiplier.ssm_out"), "no layer has a recurrent mixer"),
    Rule("linear_attention.kind", _none, ("linear_attention.",), "no layer has linear attention"),
    Rule("conv.kernel", _none, ("conv.",), "no layer mixes with a short convolution"),
    Rule("attention.kind", _not("mla"), ("attention.mla.",), "keys and values are not projected up from a latent"),
    Rule("attention.kind", _none, ("attention.", "rope.", "relative_bias.", "alibi.", "disentangled.", "multiplier.key", "multiplier.attention_in",
          "multiplier.attention_out"),
         "no layer multiplies queries with keys"),
    Rule("layers.pattern", _without("sparse"), ("attention.indexer.",), "no indexer picks positions"),
    Rule("attention.qk_norm", _none, ("attention.qk_norm.scope", "attention.qk_norm.order"), "queries are not normalised"),
    Rule("attention.sinks", _none, ("attention.sinks.",), "nothing joins the scores"),
    Rule("attention.window.size", _none, ("attention.window.layers",), "no mask limits the distance"),
    Rule("position", _not("alibi"), ("alibi.",), "no slope is added to the scores"),
    Rule("position", _not("relative_bias", "disentangled"), ("relative_bias.",), "no bias by distance is added to the scores"),
    Rule("position", _not("disentangled"), ("disentangled.",), "distances take no part in the products"),
    Rule("position", _not("rope"), ("rope.",), "nothing is rotated"),
    Rule("rope.dims", _none, ("attention.mla.rope_dim",), "nothing is rotated"),
    Rule("rope.theta", lambda value: value is not None, ("rope.local_theta",), "all layers that rotate have one base"),
    Rule("rope.scaling.type", _not("yarn"), _scaling(*_BY_PARTS), "the frequencies are not scaled by parts"),
    Rule("rope.scaling.type", _not("llama3"), _scaling(*_BY_WAVELENGTH), "the frequencies are not scaled by wavelength"),
    Rule("rope.scaling.type", _not("longrope"), _scaling(*_BY_FREQUENCY), "no divisor per frequency"),
    Rule("rope.scaling.type", _never, ("rope.scaling.",), "of which only what is open about it says something"),
    Rule("layers.shared_blocks", _none, ("layers.shared_lora_rank",), "no block is used at several depths"),
    Rule("moe.experts", _none, ("moe.",), "no layer has experts"),
    Rule("mlp.kind", _not("gated", "conv"), ("multiplier.mlp_gate",), "no gate is multiplied"),
    Rule("mlp.kind", _none, ("multiplier.mlp_gate", "multiplier.mlp_down"), "no layer has a feed-forward part"),
)  # fmt: skip
"""What follows from what; in each tower."""

SENSES = (
    "patch_size", "image_size", "channels", "temporal_patch_size", "spatial_merge", "class_token", "register_tokens",
    "object_queries", "tokens_per_image", "projector", "mel_bins", "max_frames",
    "conv_stem.", "backbone",
)  # fmt: skip
"""What only a model that sees or hears has."""


def implied(scene: Scene) -> None:
    """The absences that others imply; nothing that was found or left open is touched."""
    if scene.operations is not None:
        for prefix in {tower.prefix for tower in scene.towers} or {""}:
            tower = Tower(prefix, "", [])
            for rule in RULES:
                _apply(scene, tower, rule)
            for rule in RULES:
                _wait(scene, tower, rule)
        _text_only(scene)
    if scene.setting("quantization_config") is None and scene.config:
        here = [Evidence(*scene.here, scene.here[1], "the configuration has no quantization_config")]
        for name in _keys("quantization."):
            scene.absent(name, "the published weights are not quantized", here, Level.DECLARED)


def _apply(scene: Scene, tower: Tower, rule: Rule) -> None:
    key = tower.key(rule.key)
    if key in scene.undecided:
        return
    known: Fact | Absence | None = scene.facts.get(key) or scene.absences.get(key)
    if known is None or not rule.lacks(known.value if isinstance(known, Fact) else None):
        return
    for child in rule.children:
        for name in _keys(child):
            if name != rule.key:
                scene.absent(tower.key(name), rule.why, known.evidence[:2], known.level)


def _wait(scene: Scene, tower: Tower, rule: Rule) -> None:
    """What hangs on an open question is open with it, for its reason; what was found all the same stays."""
    for child in rule.children:
        for name in _keys(child):
            scene.waits(tower.key(name), tower.key(rule.key))


_CARRY = VIEWS | frozenset("add sub mul div pad cat stack where clamp layer_norm rms_norm join neg".split())


def _is_sensed(graph: Operations, start: Op) -> bool:
    """Whether an input holds numbers that weights are applied to; a mask, a temperature or a cache of keys does not."""
    if not start.dtype.startswith(("float", "bfloat")):
        return False
    seen, stack = {start.id}, [start.id]
    while stack:
        for index in graph.consumers[stack.pop()]:
            op = graph[index]
            weighed = op.kind in ("matmul", "einsum", "bmm") and any(graph.parameter(item) for item in graph.inputs(op))
            if weighed or op.kind in ("linear", "conv", "pool", "conv_transpose"):
                return True
            if op.kind in _CARRY and index not in seen:
                seen.add(index)
                stack.append(index)
    return False


def _keys(name: str) -> list[str]:
    return [each for each in vocab.KEYS if each.startswith(name)] if name.endswith(".") else [name]


def _text_only(scene: Scene) -> None:
    """Models that read nothing but tokens have no parts that see or hear."""
    graph = scene.operations
    assert graph is not None
    inputs = graph.kind("input")
    table = scene.facts.get("vocab_size")
    senses = [
        name
        for name, value in scene.config.items()
        if name.startswith(("vision", "audio", "image")) and value not in (None, False, "", ())
    ]
    if table is None or senses or any(_is_sensed(graph, op) for op in inputs):
        return
    if any(tower.prefix in ("vision", "audio") for tower in scene.towers):
        return
    why = "the model reads nothing but tokens"
    for child in SENSES:
        for name in _keys(child):
            scene.absent(name, why, table.evidence[:1])
    for tower in scene.towers:
        lengths = {site.scores[-1] for block in tower.blocks for site in block.attentions if site.scores}
        if not tower.stages and len(lengths) < 2:  # noqa: PLR2004 - one length from the first block to the last
            for name in _keys("stages."):
                scene.absent(tower.key(name), "one stack of layers, all of one length", table.evidence[:1])
    if "embedding.tied" in scene.facts:
        for name in ("pooling", "classes", "projection_size"):
            scene.absent(
                name, "every position has scores over the vocabulary", scene.facts["embedding.tied"].evidence[:1]
            )
