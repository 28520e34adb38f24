"""Quantized layouts: which stored tensors together stand for one parameter, and of which shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, prod
from typing import TypeAlias

from specdiff.results import Severity
from specdiff.weights.model import Issue, Logical, Stored

Parts: TypeAlias = Mapping[str, Stored]
"""Stored tensors by what follows the parameter's stem."""
Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """One way of storing a quantized weight."""

    id: str
    main: str
    """Suffix of the tensor with the values."""
    target: str
    """Suffix of the parameter it stands for."""
    needs: tuple[str, ...]
    """Suffixes of which at least one must be there."""
    may: tuple[str, ...]
    """Further suffixes that belong to it."""
    dtypes: tuple[str, ...]
    """Number formats of the main tensor; empty for any."""
    shapes: Callable[[Parts], tuple[Shape, ...]]
    """Shapes of the parameter, most likely first."""
    source: str
    """Where the layout is described."""


def _mxfp4(parts: Parts) -> tuple[Shape, ...]:
    shape = parts["_blocks"].shape or ()
    if len(shape) < 3:
        return ()
    *lead, groups, width = shape
    plain = (*lead, groups * width * 2)
    return (plain, (*plain[:-2], plain[-1], plain[-2]))


def _gptq(parts: Parts) -> tuple[Shape, ...]:
    index = parts[".g_idx"].shape or (0,)
    return ((parts[".qweight"].shape[1], index[0]),) if parts[".qweight"].shape else ()


def _awq(parts: Parts) -> tuple[Shape, ...]:
    weight, scales = parts[".qweight"].shape, parts[".scales"].shape
    if not weight or not scales:
        return ()
    if weight[1] == scales[1]:
        # Packed along the input as GPTQ does, without its index: the width of the input is not told by one tensor.
        zeros = parts.get(".qzeros")
        values = 32 // (32 * zeros.shape[1] // scales[1]) if zeros is not None and zeros.shape and zeros.shape[1] else 8
        return ((weight[1], weight[0] * values),)
    return ((scales[1], weight[0]),)


def _same(suffix: str) -> Callable[[Parts], tuple[Shape, ...]]:
    return lambda parts: (parts[suffix].shape,) if parts[suffix].shape is not None else ()  # type: ignore[return-value]


def _packed(parts: Parts) -> tuple[Shape, ...]:
    main = parts[".weight_packed"]
    if not main.shape:
        return ()
    # Eight values of four bits in 32, or two in a byte.
    return ((*main.shape[:-1], main.shape[-1] * (2 if main.dtype == "U8" else 8)),)


def _halves(parts: Parts) -> tuple[Shape, ...]:
    """Two values of four bits in a byte, along the rows."""
    shape = parts[".weight"].shape
    return ((*shape[:-1], shape[-1] * 2),) if shape else ()


def _bytes(parts: Parts) -> tuple[Shape, ...]:
    """Bytes with one scale for each 32 values of four bits along a row (MXFP4), or with a single one (two bits along a column)."""
    shape, scale = parts[".weight"].shape, parts[".weight_scale"].shape
    if not shape or scale is None:
        return ()
    if len(scale) == len(shape) and scale[-1] * 32 == shape[-1] * 2:
        return _halves(parts)
    return ((shape[0] * 4, *shape[1:]),) if prod(scale) == 1 else ()


def _turned(parts: Parts) -> tuple[Shape, ...]:
    shape = parts[".weight"].shape
    return ((*shape[:-2], shape[-1], shape[-2]),) if shape and len(shape) > 1 else ()


def _codes(parts: Parts) -> tuple[Shape, ...]:
    """Indices of groups of rows and columns into books of such groups."""
    codes, books = parts[".codes"].shape, parts[".codebooks"].shape
    return ((codes[0] * books[2], codes[1] * books[3]),) if codes and books and len(books) == 4 else ()


def _quanto(parts: Parts) -> tuple[Shape, ...]:
    main = parts[".weight._data"]
    return (main.shape,) if main.shape is not None and main.dtype != "U8" else ()


def _not_told(parts: Parts) -> tuple[Shape, ...]:
    return ()


def _torchao(parts: Parts) -> tuple[Shape, ...]:
    main = parts["._weight_qdata"]
    if main.shape is None or main.dtype == "I32":
        return ()
    return ((*main.shape[:-1], main.shape[-1] * 2), main.shape) if main.dtype == "U8" else (main.shape,)


_HQQ = ("nbits", "group_size", "shape", "axis", "packing", "view_as_float", "unpack_view_dtype", "stores_quant_config", "channel_wise",
        "quant_scale", "quant_zero", "round_zero", "offload_meta", "optimize", "encoded_state_dict", "compute_dtype")  # fmt: skip
_ZERO = (
    ".weight_zero_point",
    ".input_zero_point",
    ".weight_shape",
    ".weight_g_idx",
    ".output_scale",
    ".output_zero_point",
)
_FP8 = ("F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "I8")
LAYOUTS: tuple[Layout, ...] = (
    Layout("mxfp4", "_blocks", "", ("_scales",), (), ("U8",), _mxfp4, "gpt-oss, gpt_oss/torch/weights.py; OCP MX 1.0"),
    Layout("gptq", ".qweight", ".weight", (".g_idx",), (".qzeros", ".scales"), ("I32",), _gptq, "arXiv:2210.17323; AutoGPTQ"),
    Layout("awq", ".qweight", ".weight", (".scales",), (".qzeros",), ("I32",), _awq, "arXiv:2306.00978; AutoAWQ"),
    Layout(
        "compressed-tensors", ".weight_packed", ".weight", (".weight_scale",),
        (".weight_shape", ".weight_global_scale", ".input_global_scale", ".weight_zero_point", ".weight_g_idx", ".input_scale"),
        ("I32", "U8"), _packed, "compressed-tensors, pack-quantized and nvfp4-pack-quantized",
    ),
    Layout("bitsandbytes-8bit", ".weight", ".weight", (".SCB",), (".weight_format",), ("I8",), _same(".weight"), "arXiv:2208.07339"),
    Layout(
        "bitsandbytes-4bit", ".weight", ".weight", (".weight.absmax",),
        (".weight.quant_map", ".weight.nested_absmax", ".weight.nested_quant_map",
         ".weight.quant_state.bitsandbytes__nf4", ".weight.quant_state.bitsandbytes__fp4"),
        ("U8",), lambda parts: (), "arXiv:2305.14314",
    ),
    Layout("eetq", ".weight", ".weight", (".weight_scales",), (), ("I8",), _turned, "transformers, integrations/eetq.py"),
    Layout(
        "fp8", ".weight", ".weight", (".weight_scale_inv", ".weight_scale", ".scale"),
        (".input_scale", ".input_scale_ub", ".activation_scale", *_ZERO), _FP8, _same(".weight"), "DeepSeek-V3, arXiv:2412.19437, section 3.3",
    ),
    Layout("nvfp4", ".weight", ".weight", (".weight_scale_2",), (".weight_scale", ".input_scale"), ("U8",), _halves, "ModelOpt, NVFP4"),
    Layout("packed-bytes", ".weight", ".weight", (".weight_scale",), (".input_scale",), ("U8",), _bytes, "Quark, MXFP4; BitNet b1.58"),
    Layout("hqq", ".W_q", ".weight", (".scale",), (".zero", ".meta", *(f".{name}" for name in _HQQ)), (), _not_told, "HQQ"),
    Layout("quanto", ".weight._data", ".weight", (".weight._scale",), (".weight._shift", ".input_scale", ".output_scale"), (), _quanto, "optimum-quanto"),
    Layout("torchao", "._weight_qdata", ".weight", ("._weight_scale",), ("._weight_zero_point", "._weight_act_pre_scale", "._weight_scale_and_zero"), (), _torchao,
           "transformers, integrations/torchao.py"),
    Layout("aqlm", ".codes", ".weight", (".codebooks",), (".scales",), (), _codes, "arXiv:2401.06118"),
    Layout("higgs", ".weight", ".weight", (".tables2",), (".scales", ".tables"), (), _not_told, "transformers, integrations/higgs.py"),
    Layout("vptq", ".indices", ".weight", (".centroids.weight",),
           (".perm", ".weight_bias", ".weight_scale", ".res_centroids.weight", ".outlier_indices", ".outlier_centroids.weight"), (), _not_told, "arXiv:2409.17066"),
    Layout("fp8-stacked", "", "", ("_scale_inv", "_scale"), ("_activation_scale",), _FP8, _same(""), "transformers, fine-grained FP8 experts"),
)  # fmt: skip

_EXTRA = (".k_scale", ".v_scale", ".q_scale", ".kv_scale", ".prob_scale")
"""Scales of a quantized key and value cache: they belong to no parameter."""


def logical(tensors: Mapping[str, Stored]) -> tuple[dict[str, Logical], list[Issue]]:
    """What the stored tensors stand for, by parameter name, and scales that do not fit their weight."""
    found: dict[str, Logical] = {}
    issues: list[Issue] = []
    used: set[str] = set()
    for name in tensors:
        for layout in LAYOUTS:
            group = _group(layout, name, tensors)
            if group is None:
                continue
            stem, parts = group
            shapes = tuple(shape for shape in layout.shapes(parts) if shape)
            main = parts[layout.main]
            count = prod(shapes[0]) if shapes else None
            if layout.id == "bitsandbytes-4bit" and main.shape is not None:
                count = 2 * prod(main.shape)
            target = stem + layout.target
            members = tuple(stored.name for stored in parts.values())
            found[target] = Logical(target, shapes, count, layout.id, members, main.dtype)
            used.update(members)
            issues += _scales(layout, target, parts)
            break
    for name, stored in tensors.items():
        if name in used or name.endswith(_EXTRA):
            continue
        shapes = (stored.shape,) if stored.shape is not None else ()
        found[name] = Logical(name, shapes, prod(shapes[0]) if shapes else None, "plain", (name,), stored.dtype)
    return found, issues


def _group(layout: Layout, name: str, tensors: Mapping[str, Stored]) -> tuple[str, dict[str, Stored]] | None:
    """(stem, parts by suffix) where a tensor is the main one of a layout and its companions are there."""
    if not name.endswith(layout.main):
        return None
    main = tensors[name]
    if main.dtype and layout.dtypes and main.dtype not in layout.dtypes:
        return None
    stem = name.removesuffix(layout.main) if layout.main else name
    needed = {suffix: tensors[stem + suffix] for suffix in layout.needs if stem + suffix in tensors}
    if not needed:
        return None
    others = {suffix: tensors[stem + suffix] for suffix in layout.may if stem + suffix in tensors}
    if layout.id == "gptq" and ".scales" not in others:
        return None
    return stem, {layout.main: main, **needed, **others}


def _scales(layout: Layout, target: str, parts: Parts) -> list[Issue]:
    """One scale for the whole, a row, or a block; anything else does not fit."""
    main = parts[layout.main]
    if layout.id == "mxfp4":
        scales = parts["_scales"]
        if main.shape is not None and scales.shape is not None and scales.shape != main.shape[:-1]:
            detail = f"scales of {_size(scales.shape)} for blocks of {_size(main.shape)}"
            return [Issue("scale", Severity.ERROR, target, detail, scales.file)]
        return []
    if layout.id != "fp8" or main.shape is None or len(main.shape) != 2:
        return []
    for suffix in layout.needs:
        scale = parts.get(suffix)
        if scale is None or scale.shape is None:
            continue
        rows, columns = main.shape
        blocks = (ceil(rows / 128), ceil(columns / 128))
        if scale.shape not in ((), (1,), (1, 1), (rows,), (rows, 1), blocks):
            detail = (
                f"{suffix} of {_size(scale.shape)} for a weight of {_size(main.shape)} (blocks of 128: {_size(blocks)})"
            )
            return [Issue("scale", Severity.WARNING, target, detail, scale.file)]
    return []


def _size(shape: Shape) -> str:
    return "×".join(str(size) for size in shape) or "a number"
