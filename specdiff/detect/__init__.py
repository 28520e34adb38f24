"""From the operations of ``forward`` to facts: one module per feature, all listed in `DETECTORS`.

Adding a detector: write ``def feature(scene: Scene) -> None`` in a module of this folder, let it call `Scene.fact`,
`Scene.absent` or `Scene.unsure` for every key it is about, and add a row to `DETECTORS` with those keys. Rows run in order;
a later one may read what an earlier one found in ``scene.facts``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from specdiff.detect import (
    absolute,
    attention,
    built,
    crossing,
    declared,
    dependents,
    factors,
    feedforward,
    indexing,
    inputs,
    placement,
    position,
    quantize,
    recurrent,
    shape,
    sharing,
    totals,
)
from specdiff.detect.scene import Scene
from specdiff.facts import FactSheet


@dataclass(frozen=True, slots=True)
class Detector:
    """One feature: a function from the scene to facts, and the keys it answers for."""

    run: Callable[[Scene], None]
    keys: tuple[str, ...]
    """Without tower prefixes; they are left undecided where the detector fails. ``rope.`` stands for all keys below it."""


DETECTORS: tuple[Detector, ...] = (
    Detector(shape.layers, ("layers", "hidden_size")),
    Detector(shape.embedding, ("vocab_size", "embedding.size", "embedding.scale", "embedding.norm", "embedding.token_types")),
    Detector(shape.entries, ("embedding.norm",)),
    Detector(shape.output_head, ("embedding.tied", "logits.")),
    Detector(shape.declared, ("context_length", "dtype", "dropout.", "init.std")),
    Detector(built.built, ("layers", "embedding.tied")),
    Detector(
        attention.heads,
        ("attention.heads", "attention.kv_heads", "attention.head_dim", "attention.v_head_dim", "attention.kind",
         "attention.mla."),
    ),
    Detector(attention.projections, ("attention.bias.", "attention.fused_qkv", "attention.clip_qkv")),
    Detector(
        attention.scores,
        ("attention.scale", "attention.softcap", "attention.sinks", "attention.sinks.", "attention.softmax_dtype",
         "attention.output_gate"),
    ),
    Detector(attention.masks, ("attention.causal", "attention.window.", "attention.chunk.size", "attention.sinks.count")),
    Detector(indexing.indexers, ("attention.indexer.",)),
    Detector(position.rope, ("rope.", "position")),
    Detector(position.temperature, ("attention.temperature.",)),
    Detector(position.qk_norm, ("attention.qk_norm", "attention.qk_norm.")),
    Detector(absolute.other_positions, ("position", "position.", "alibi.max_bias", "relative_bias.")),
    Detector(recurrent.mixers, ("ssm.", "linear_attention.", "conv.")),
    Detector(absolute.without_attention, ("position",)),
    Detector(placement.norm_facts, ("norm.", "residual", "residual.")),
    Detector(feedforward.mlp, ("mlp.", "mlp.pattern", "moe.layers", "moe.first_dense")),
    Detector(feedforward.experts, ("moe.",)),
    Detector(feedforward.training, ("moe.router.aux_loss", "moe.router.jitter")),
    Detector(quantize.quantization, ("quantization.",)),
    Detector(totals.parameters, ("parameters.",)),
    Detector(
        inputs.stems,
        ("patch_size", "channels", "temporal_patch_size", "class_token", "register_tokens", "conv_stem.", "mel_bins",
         "stages.", "image_size"),
    ),
    Detector(sharing.shared, ("layers.shared_blocks", "layers.shared_lora_rank", "attention.kv_shared_layers")),
    Detector(totals.bytes_needed, ("checkpoint.bytes", "kv_cache.")),
    Detector(sharing.own_embeddings, ("embedding.per_layer_size",)),
    Detector(sharing.low_rank, ("residual.low_rank",)),
    Detector(sharing.streams, ("residual.streams",)),
    Detector(sharing.sparsity, ("mlp.sparsity",)),
    Detector(crossing.cross_attention, ("cross_attention.",)),
    Detector(crossing.queries, ("object_queries",)),
    Detector(crossing.shifted_windows, ("attention.window.shift",)),
    Detector(crossing.extractors, ("backbone",)),
    Detector(crossing.frames, ("max_frames",)),
    Detector(inputs.projectors, ("projector", "spatial_merge", "projection_size", "tokens_per_image")),
    Detector(inputs.outputs, ("pooling", "classes")),
    Detector(factors.multipliers, ("multiplier.",)),
    Detector(factors.further_predictions, ("mtp.layers",)),
    Detector(declared.fallback, ()),
    Detector(shape.pattern, ("layers.pattern",)),
    Detector(dependents.implied, ()),
)  # fmt: skip
"""All detectors, in the order they run."""


def detect(scene: Scene, *, debug: bool = False) -> FactSheet:
    """Run all detectors on one analysed class.

    Args:
        scene: The class as detectors see it.
        debug: Let a detector's own error through; otherwise its keys are undecided and the others run on.
    """
    if scene.operations is not None and not scene.operations.outputs:
        scene.operations = None
        scene.why_not = scene.why_not or "what forward gives back could not be followed"
    for detector in DETECTORS:
        try:
            detector.run(scene)
        except Exception as error:
            if debug:
                raise
            scene.failed(detector.keys, f"the analysis itself failed here ({type(error).__name__}: {error})")
    return scene.sheet()


__all__ = ["DETECTORS", "Detector", "detect"]
