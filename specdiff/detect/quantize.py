"""Quantization as the configuration declares it: method, bits with their scales, blocks, and which modules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from specdiff import vocab
from specdiff.detect.scene import Scene
from specdiff.facts import Evidence, Level

_BITS = {"float32": 32, "float16": 16, "bfloat16": 16, "float8": 8}
_FLOATS = {"mxfp4": (4 + 8 / 32, 32), "nvfp4": (4 + 8 / 16, 16)}
"""Bits per weight with the scale that a block shares, and the weights of a block (OCP Microscaling; NVFP4)."""

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)")


def bits_of_dtype(name: object) -> int | None:
    """Bits of a number format of the vocabulary."""
    return _BITS.get(name) if isinstance(name, str) else None


def declared(scene: Scene) -> Mapping[str, Any] | None:
    """The configuration's own words about quantization."""
    found = scene.setting("quantization_config")
    return found[0] if found is not None and isinstance(found[0], Mapping) else None


def quantization(scene: Scene) -> None:
    """`quantization.*`."""
    config = declared(scene)
    if config is None:
        return
    here = [scene.setting_evidence("quantization_config", _words(config))]
    method = method_of(config)
    if method is not None:
        scene.fact("quantization.method", method, here, Level.DECLARED)
    else:
        scene.unsure(
            "quantization.method", f"the method {config.get('quant_method')!r} has no word in the vocabulary", here[0]
        )
    if method in _FLOATS:
        bits, block = _FLOATS[method]
        scene.fact("quantization.bits", bits, here, Level.DECLARED)
        scene.fact("quantization.block_size", (block,), here, Level.DECLARED)
        if scene.facts.get("dtype") is None:
            words = Evidence(here[0].file, here[0].line, here[0].line, f"what {method} leaves out is kept in bfloat16")
            scene.fact("dtype", "bfloat16", [words], Level.DECLARED)
    block_size = config.get("weight_block_size")
    group_size = config.get("group_size")
    if isinstance(block_size, tuple) and all(isinstance(item, int) for item in block_size):
        scene.fact("quantization.block_size", block_size, here, Level.DECLARED)
    elif isinstance(group_size, int) and group_size > 0 and method not in _FLOATS:
        scene.fact("quantization.block_size", (group_size,), here, Level.DECLARED)
    kept = excluded(config)
    if kept is not None:
        scene.fact("quantization.excluded", kept, here, Level.DECLARED)
        scene.fact("quantization.modules", _modules(scene, kept), here, Level.DECLARED)
    for name, why in _OPEN.items():
        if name not in scene.facts and name not in scene.undecided:
            scene.unsure(name, why, here[0])


_OPEN = {
    "quantization.bits": "how many bits a weight takes with its scales does not follow from the method",
    "quantization.block_size": "the configuration does not say how many weights share a scale",
    "quantization.excluded": "the configuration names no modules that stay as they are",
    "quantization.modules": "the configuration does not say which modules are quantized",
}
"""Why a key stays open where the configuration speaks of quantization and not of this."""


def _words(config: Mapping[str, Any]) -> Any:
    return config.get("quant_method", "…")


def method_of(config: Mapping[str, Any]) -> str | None:
    """The vocabulary's word for a configured method."""
    key = vocab.KEYS["quantization.method"]
    name = str(config.get("quant_method", ""))
    if name == "bitsandbytes":
        if config.get("load_in_8bit") is True:
            return "int8"
        four = config.get("load_in_4bit") is True
        return "nf4" if four and config.get("bnb_4bit_quant_type") == "nf4" else None
    return vocab.canonical(key, name) if name else None


def excluded(config: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Modules that stay as they are, as name patterns; None where the configuration names none."""
    for name in ("modules_to_not_convert", "ignore", "llm_int8_skip_modules", "ignored_layers"):
        value = config.get(name)
        if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
            return value
    return None


def _modules(scene: Scene, kept: tuple[str, ...]) -> tuple[str, ...]:
    """Modules with matrices that no pattern excludes, layer numbers as ``*``."""
    return tuple(dict.fromkeys(_NUMBER.sub("*", name.rpartition(".")[0]) for name in _weights(scene, kept)))


def _weights(scene: Scene, kept: tuple[str, ...]) -> list[str]:
    """Matrices outside the excluded modules; where a module stacks matrices, its stacked biases are none."""
    deep = {name.rpartition(".")[0] for name, shape in scene.parameters.items() if len(shape) >= 3}
    tests = [_pattern(item) for item in kept]
    return [
        name
        for name, shape in scene.parameters.items()
        if len(shape) >= (3 if name.rpartition(".")[0] in deep else 2) and not any(test(name) for test in tests)
    ]


def _pattern(item: str) -> Any:
    if item.startswith("re:"):
        compiled = re.compile(item[3:])
        return lambda name: compiled.match(name) is not None
    text = re.escape(item).replace(r"\*", r"[^.]+")
    compiled = re.compile(rf"(^|.*\.){text}(\.|$)")
    return lambda name: compiled.match(name) is not None


def quantized_bits(scene: Scene) -> dict[str, float] | None:
    """Bits per weight of the quantized parameters; None where the configuration does not say enough."""
    config = declared(scene)
    if config is None:
        return {}
    method, kept = method_of(config), excluded(config)
    if method not in _FLOATS or kept is None:
        return None
    return dict.fromkeys(_weights(scene, kept), _FLOATS[method][0])


__all__ = ["bits_of_dtype", "declared", "quantization", "quantized_bits"]
