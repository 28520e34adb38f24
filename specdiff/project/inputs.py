"""The tensors a model's ``forward`` is called with: symbolic batch and sequence, other sizes from the configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specdiff.interp.dims import Dim
from specdiff.interp.objects import ClassVal, Function, Instance, Value
from specdiff.interp.ops import lookup, plain
from specdiff.interp.run import Run
from specdiff.interp.tracked import Tracked
from specdiff.interp.values import Tensor

BATCH = Dim.symbol("batch")
SEQUENCE = Dim.symbol("sequence")
TARGET = Dim.symbol("target_sequence")
SAMPLES = Dim.symbol("samples")
FRAMES = Dim.symbol("frames")

_TOWERS = ("vision_config", "audio_config", "text_config", "encoder", "decoder", "backbone_config", "thinker_config")


def _setting(config: Value, names: tuple[str, ...], *places: str) -> Any:
    """The first number among some settings of a configuration or of its parts."""
    for holder in (config, *(_attr(config, place) for place in (places or _TOWERS))):
        for name in names:
            value = _attr(holder, name)
            if isinstance(value, list | tuple) and value and isinstance(value[0], int):
                return value
            if isinstance(value, int) and not isinstance(value, bool):
                return value
    return None


def _attr(holder: Value, name: str) -> Value:
    if not isinstance(holder, Instance):
        return None
    value = plain(holder.attrs.get(name)) if name in holder.attrs else None
    if value is None:
        renames = lookup(holder.cls, "attribute_map")[0]
        if isinstance(renames, dict) and name in renames:
            value = holder.attrs.get(renames[name])
    return value.observe() if isinstance(value, Tracked) else value


def _image(config: Value) -> tuple[Any, ...]:
    channels = _setting(config, ("num_channels", "in_channels", "in_chans"), "vision_config", "backbone_config") or 3
    size = _setting(config, ("image_size", "input_size", "img_size"), "vision_config", "backbone_config")
    if isinstance(size, list | tuple):
        height, width = size[0], size[-1]
    elif isinstance(size, int):
        height = width = size
    else:
        height = width = 224
    return (BATCH, channels if isinstance(channels, int) else 3, height, width)


def _features(config: Value) -> tuple[Any, ...]:
    bins = _setting(config, ("num_mel_bins", "feature_size", "input_feat_per_channel", "n_mels"), "audio_config")
    positions = _setting(config, ("max_source_positions",), "audio_config")
    if isinstance(positions, int) and _setting(config, ("num_mel_bins",), "audio_config"):
        return (BATCH, bins or 80, 2 * positions)
    return (BATCH, FRAMES, bins or 80)


Shape = Callable[[Value], tuple[Any, ...]]
KNOWN: dict[str, tuple[Shape, str]] = {
    "input_ids": (lambda config: (BATCH, SEQUENCE), "int64"),
    "decoder_input_ids": (lambda config: (BATCH, TARGET), "int64"),
    "pixel_values": (_image, "float32"),
    "input_values": (lambda config: (BATCH, SAMPLES), "float32"),
    "input_features": (_features, "float32"),
}
"""Inputs by parameter name: (shape from the configuration, dtype)."""

_TEXT_ENTRY = ("input_ids", "decoder_input_ids")


def entry_inputs(run: Run, cls: ClassVal, config: Value) -> dict[str, Tensor] | str:
    """Keyword arguments for the class's ``forward``; a sentence where an input's shape cannot be told."""
    forward = lookup(cls, "forward")[0]
    if not isinstance(forward, Function):
        return "the class has no forward of its own"
    plan = run.plan_of(forward)
    names = [*plan.names[1:], *plan.kwonly]
    required = [name for name in names if name not in plan.defaults]
    wanted = list(required)
    if not required:
        main = lookup(cls, "main_input_name")[0]
        main = main if isinstance(main, str) and main in names else None
        if main is not None:
            wanted.append(main)
        for name in ("input_ids", "decoder_input_ids"):
            if name in names and name not in wanted:
                wanted.append(name)
        if not wanted:
            wanted.extend(name for name in ("pixel_values", "input_values", "input_features") if name in names)
    inputs: dict[str, Tensor] = {}
    for name in wanted:
        known = KNOWN.get(name)
        if known is None:
            if name in required:
                return f"nothing is known of the shape of the input {name}"
            continue
        shape, dtype = known
        tensor = Tensor(shape(config), dtype)
        inputs[name] = tensor
    return inputs
