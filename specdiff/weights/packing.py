"""How each quantized layout packs values: the shape of a parameter from the tensors that are stored for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, TypeAlias

from specdiff.weights.model import Stored

Parts: TypeAlias = Mapping[str, Stored]
"""Stored tensors by what follows the parameter's stem."""
Shape: TypeAlias = tuple[int, ...]
Bits: TypeAlias = tuple[int, ...]
"""Bits per value that the configuration names; empty where it names none."""

_COMMON: Bits = (4, 8, 2, 3, 6, 5, 1)
"""Widths tried where the configuration names none, most frequent first."""
_WORDS = {"I32": 32, "U32": 32, "I16": 16, "U8": 8, "I8": 8}
_WIDTH_KEYS = frozenset({"bits", "num_bits", "nbits", "w_bit", "weights"})
_ACTIVATIONS = re.compile(r"activation|kv_cache|codebook")
MOST_DEPTH = 6


def bits_of(config: Mapping[str, object] | None) -> Bits:
    """The widths of weights that a `config.json` names, in order; those of activations and caches do not count."""
    found: list[int] = []
    for place in (config or {}), (config or {}).get("text_config"):
        if isinstance(place, Mapping):
            for key in ("quantization_config", "compression_config", "quantization"):
                found += _widths(place.get(key), 0)
    return tuple(dict.fromkeys(found))


def _widths(value: Any, depth: int) -> Iterator[int]:
    if isinstance(value, list) and depth < MOST_DEPTH:
        for each in value:
            yield from _widths(each, depth + 1)
    if not isinstance(value, Mapping) or depth >= MOST_DEPTH:
        return
    for key, each in value.items():
        if not isinstance(key, str) or _ACTIVATIONS.search(key):
            continue
        if key in _WIDTH_KEYS and type(each) is int and 0 < each <= 8:
            yield each
        elif key in _WIDTH_KEYS and isinstance(each, str) and (match := re.fullmatch(r"u?int(\d)|q?float(8)", each)):
            yield int(match[1] or match[2])
        else:
            yield from _widths(each, depth + 1)


def unpacked(stored: Stored, bits: Bits, tried: Bits = _COMMON) -> tuple[Shape, ...]:
    """Shapes of what is packed along the last dimension, one for each width that comes out even."""
    word = _WORDS.get(stored.dtype)
    if not stored.shape or word is None:
        return ()
    *lead, last = stored.shape
    return tuple((*lead, last * word // width) for width in bits or tried if last * word % width == 0)


def mxfp4(main: str) -> Any:
    """Blocks of values, two in a byte; the library may hold what they stand for turned."""

    def shapes(parts: Parts, bits: Bits) -> tuple[Shape, ...]:
        shape = parts[main].shape or ()
        if len(shape) < 3:
            return ()
        *lead, groups, width = shape
        plain = (*lead, groups * width * 2)
        return (plain, (*plain[:-2], plain[-1], plain[-2]))

    return shapes


def gptq(parts: Parts, bits: Bits) -> tuple[Shape, ...]:
    """Packed along the input, whose width the index of groups tells."""
    index = parts[".g_idx"].shape or (0,)
    return ((parts[".qweight"].shape[1], index[0]),) if parts[".qweight"].shape else ()


def awq(parts: Parts, bits: Bits) -> tuple[Shape, ...]:
    """Four layouts have the same names; which one it is, the scales' shape tells."""
    weight, scales = parts[".qweight"].shape, parts[".scales"].shape
    if not weight or not scales or len(weight) != 2 or len(scales) != 2:
        return ()
    if parts[".qweight"].dtype == "I16":
        # AutoAWQ, modules/linear/gemv_fast.py: four rows stand in one.
        return ((scales[1], weight[1]),) if scales[1] == weight[0] * 4 else ()
    zeros = parts.get(".qzeros")
    if weight[1] == scales[1]:
        # Packed along the input as GPTQ does, without its index; the zeros are packed along the output.
        told = 32 * zeros.shape[1] // scales[1] if zeros is not None and zeros.shape else 0
        return tuple((weight[1], weight[0] * 32 // width) for width in ((told,) if told else bits or _COMMON))
    if weight[0] == scales[0]:
        return unpacked(parts[".qweight"], bits)  # AutoAWQ, modules/linear/gemv.py
    return ((scales[1], weight[0]),)


def same(suffix: str) -> Any:
    """The stored shape itself."""

    def shapes(parts: Parts, bits: Bits) -> tuple[Shape, ...]:
        shape = parts[suffix].shape
        return (shape,) if shape is not None else ()

    return shapes


def packed(suffix: str, tried: Bits = _COMMON) -> Any:
    """Values packed along the last dimension."""

    def shapes(parts: Parts, bits: Bits) -> tuple[Shape, ...]:
        main = parts[suffix]
        # Bytes hold floating point formats of four or six bits (compressed-tensors, nvfp4, mxfp4 and mxfp6).
        return unpacked(main, bits, (4, 6) if main.dtype == "U8" else tried)

    return shapes


def turned(parts: Parts, bits: Bits) -> tuple[Shape, ...]:
    """Input first."""
    shape = parts[".weight"].shape
    return ((*shape[:-2], shape[-1], shape[-2]),) if shape and len(shape) > 1 else ()


def fp8(parts: Parts, bits: Bits) -> tuple[Shape, ...]:
    """One value in a byte; two of four bits where 32 values share a scale and 16 bytes do (DeepSeek-V4)."""
    shape = parts[".weight"].shape
    if shape is None:
        return ()
    scales = [parts[suffix] for suffix in (".scale", ".weight_scale_inv", ".weight_scale") if suffix in parts]
    powers = [each.shape for each in scales if each.dtype in ("F8_E8M0", "U8")]
    if parts[".weight"].dtype == "I8" and any(each == (*shape[:-1], shape[-1] // 16) for each in powers):
        return ((*shape[:-1], shape[-1] * 2),)
    return (shape,)


def halves(parts: Parts, bits: Bits) -> tuple[Shape, ...]:
    """Two values of four bits in a byte, along the rows."""
    return unpacked(parts[".weight"], (4,))


def in_bytes(parts: Parts, bits: Bits) -> tuple[Shape, ...]:
    """Bytes with a scale for each 32 values of four bits, with one scale for all (two bits along a column), or one for each row."""
    shape, scale = parts[".weight"].shape, parts[".weight_scale"].shape
    if not shape or scale is None:
        return ()
    if len(scale) == len(shape) and scale[-1] * 32 == shape[-1] * 2:
        return halves(parts, bits)
    if prod(scale) == 1:
        return ((shape[0] * 4, *shape[1:]),)  # transformers, integrations/bitnet.py, BitLinear
    return unpacked(parts[".weight"], bits, (4, 2, 8)) if scale[0] == shape[0] else ()


def codes(parts: Parts, bits: Bits) -> tuple[Shape, ...]:
    """Indices of groups of rows and columns into books of such groups."""
    indices, books = parts[".codes"].shape, parts[".codebooks"].shape
    return ((indices[0] * books[2], indices[1] * books[3]),) if indices and books and len(books) == 4 else ()


def quanto(parts: Parts, bits: Bits) -> tuple[Shape, ...]:
    """Whole where a value fills a byte."""
    main = parts[".weight._data"]
    return (main.shape,) if main.shape is not None and main.dtype != "U8" else ()


def torchao(parts: Parts, bits: Bits) -> tuple[Shape, ...]:
    """Whole, or two in a byte; a layout of tiles tells no shape."""
    main = parts["._weight_qdata"]
    if main.shape is None or main.dtype == "I32":
        return ()
    return ((*main.shape[:-1], main.shape[-1] * 2), main.shape) if main.dtype == "U8" else (main.shape,)


def masked(parts: Parts, bits: Bits) -> tuple[Shape, ...]:
    """A bit for each value says whether it is stored."""
    mask = parts[".bitmask"].shape
    return ((*mask[:-1], mask[-1] * 8),) if mask else ()


def higgs(parts: Parts, bits: Bits) -> tuple[Shape, ...]:
    """Packed along the output (transformers, integrations/higgs.py, HiggsLinear)."""
    shape = parts[".weight"].shape
    if not shape or len(shape) != 2:
        return ()
    return tuple((shape[0] * 16 // width, shape[1]) for width in bits or (4, 2, 3) if shape[0] * 16 % width == 0)


def not_told(parts: Parts, bits: Bits) -> tuple[Shape, ...]:
    """The stored tensors tell no shape."""
    return ()


def count(suffix: str, width: int | None = None) -> Any:
    """How many values are stored, where the shape is not kept: of a width, or of the one that the configuration names."""

    def values(parts: Parts, bits: Bits) -> int | None:
        main = parts[suffix]
        word = _WORDS.get(main.dtype)
        used = width or (bits[0] if len(bits) == 1 else None)
        if main.shape is None or word is None or used is None or prod(main.shape) * word % used:
            return None
        return prod(main.shape) * word // used

    return values
