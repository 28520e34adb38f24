"""Quantized layouts: which stored tensors together stand for one parameter, and of which shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, prod

from specdiff.results import Severity
from specdiff.weights import packing
from specdiff.weights.model import Issue, Logical, Stored
from specdiff.weights.packing import Bits, Parts, Shape
from specdiff.weights.siblings import Quantized, unlike


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
    shapes: Callable[[Parts, Bits], tuple[Shape, ...]]
    """Shapes of the parameter, most likely first."""
    source: str
    """Where the layout is described."""
    values: Callable[[Parts, Bits], int | None] = lambda parts, bits: None
    """Number of values where there is no shape."""


_HQQ = ("nbits", "group_size", "shape", "axis", "packing", "view_as_float", "unpack_view_dtype", "stores_quant_config", "channel_wise",
        "quant_scale", "quant_zero", "round_zero", "offload_meta", "optimize", "encoded_state_dict", "compute_dtype")  # fmt: skip
_AROUND = (".input_scale", ".input_zero_point", ".input_global_scale", ".output_scale", ".output_zero_point")
"""Scales of what goes into a layer and comes out of it."""
_ZERO = (".weight_zero_point", ".weight_shape", ".weight_g_idx", *_AROUND)
_FP8 = ("F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "I8")
_MAY8 = (".input_scale_ub", ".activation_scale", ".qscale_act", *_ZERO)
LAYOUTS: tuple[Layout, ...] = (
    Layout("mxfp4", "_blocks", "", ("_scales",), (), ("U8",), packing.mxfp4("_blocks"), "gpt-oss, gpt_oss/torch/weights.py; OCP MX 1.0"),
    Layout("mxfp4", ".blocks", "", (".scales",), (), ("U8",), packing.mxfp4(".blocks"), "gpt-oss, gpt_oss/torch/weights.py, PARAM_NAME_MAP"),
    Layout("gptq", ".qweight", ".weight", (".g_idx",), (".qzeros", ".scales"), ("I32",), packing.gptq, "arXiv:2210.17323; AutoGPTQ"),
    Layout("awq", ".qweight", ".weight", (".scales",), (".qzeros",), ("I32", "I16"), packing.awq, "arXiv:2306.00978; AutoAWQ"),
    Layout("fp-quant", ".qweight", ".weight", (".scales",),
           (".forward_hadamard_matrix", ".backward_hadamard_matrix", ".weight_global_scale", ".act_global_scale"), ("U8",),
           packing.packed(".qweight"), "transformers, integrations/fp_quant.py"),
    Layout(
        "compressed-tensors", ".weight_packed", ".weight", (".weight_scale",), (".weight_global_scale", *_ZERO),
        ("I32", "U8"), packing.packed(".weight_packed"), "compressed-tensors, pack-quantized, nvfp4-, mxfp4- and mxfp6-pack-quantized",
    ),
    Layout("sparse", ".compressed", ".weight", (".bitmask",), (".shape", ".row_offsets", ".weight_scale", *_ZERO), (), packing.masked,
           "compressed-tensors, sparse-bitmask and sparse-24-bitmask"),
    Layout("bitsandbytes-8bit", ".weight", ".weight", (".SCB",), (".weight_format",), ("I8",), packing.same(".weight"), "arXiv:2208.07339"),
    Layout(
        "bitsandbytes-4bit", ".weight", ".weight", (".weight.absmax",),
        (".weight.quant_map", ".weight.nested_absmax", ".weight.nested_quant_map",
         ".weight.quant_state.bitsandbytes__nf4", ".weight.quant_state.bitsandbytes__fp4"),
        ("U8",), packing.not_told, "arXiv:2305.14314", packing.count(".weight", 4),
    ),
    Layout("eetq", ".weight", ".weight", (".weight_scales",), (), ("I8",), packing.turned, "transformers, integrations/eetq.py"),
    Layout("fp8", ".weight", ".weight", (".weight_scale_inv", ".weight_scale", ".scale", ".qscale_weight"), _MAY8, _FP8, packing.fp8,
           "DeepSeek-V3, arXiv:2412.19437, section 3.3; transformers, quantizer_finegrained_fp8.py"),
    Layout("nvfp4", ".weight", ".weight", (".weight_scale_2",), (".weight_scale", ".pre_quant_scale", *_AROUND), ("U8",), packing.halves, "ModelOpt, NVFP4"),
    Layout("packed-bytes", ".weight", ".weight", (".weight_scale",), (".input_activation_scale", ".output_activation_scale", *_AROUND), ("U8",),
           packing.in_bytes, "Quark, MXFP4; BitNet b1.58; transformers, integrations/gemma_quant.py"),
    Layout("packed-bytes", ".embedding_quantized", ".weight", (".embedding_scale",), (), ("U8", "I8"), packing.packed(".embedding_quantized"),
           "transformers, integrations/gemma_quant.py"),
    Layout("affine", ".weight", ".weight", (".scales",), (".biases", ".qbiases"), ("U32",), packing.packed(".weight"),
           "MLX, nn/layers/quantized.py; transformers, integrations/metal_quantization.py"),
    Layout("hqq", ".W_q", ".weight", (".scale",), (".zero", ".meta", *(f".{name}" for name in _HQQ)), (), packing.not_told, "HQQ", packing.count(".W_q")),
    Layout("quanto", ".weight._data", ".weight", (".weight._scale",), (".weight._shift", ".input_scale", ".output_scale"), (), packing.quanto, "optimum-quanto"),
    Layout("quanto", ".weight._data._data", ".weight", (".weight._scale",), (".weight._shift", ".input_scale", ".output_scale"), ("U8",), packing.not_told,
           "optimum-quanto, tensor/packed.py", packing.count(".weight._data._data")),
    Layout("torchao", "._weight_qdata", ".weight", ("._weight_scale",), ("._weight_zero_point", "._weight_act_pre_scale", "._weight_scale_and_zero"), (),
           packing.torchao, "transformers, integrations/torchao.py"),
    Layout("aqlm", ".codes", ".weight", (".codebooks",), (".scales",), (), packing.codes, "arXiv:2401.06118"),
    Layout("higgs", ".weight", ".weight", (".tables2",), (".scales", ".tables"), ("I16",), packing.higgs, "transformers, integrations/higgs.py"),
    Layout("spqr", ".dense_weights", ".weight", (".row_offsets",), (".col_vals", ".in_perm"), (), packing.not_told, "arXiv:2306.03078; transformers, integrations/spqr.py"),
    Layout("vptq", ".indices", ".weight", (".centroids.weight",),
           (".perm", ".weight_bias", ".weight_scale", ".res_indices", ".res_centroids.weight", ".outlier_indices", ".outlier_centroids.weight"), (),
           packing.not_told, "arXiv:2409.17066"),
    Layout("fp8-stacked", "", "", ("_scale_inv", "_scale"), ("_activation_scale",), _FP8, packing.same(""), "transformers, fine-grained FP8 experts"),
)  # fmt: skip

_CACHE = tuple(
    f".{what}_{kind}"
    for what in ("q", "k", "v", "kv", "prob", "k_cache", "v_cache")
    for kind in ("scale", "zero_point", "global_scale")
)
CACHE = "cache-scale"
"""Layout of what names a scale of a quantized key and value cache: it belongs to no parameter, unless the code has one of its name."""


def logical(tensors: Mapping[str, Stored], bits: Bits = ()) -> tuple[dict[str, Logical], list[Issue]]:
    """What the stored tensors stand for, by parameter name, and scales that do not fit their weight.

    Args:
        tensors: By name.
        bits: Widths of values that the configuration names.
    """
    found: dict[str, Logical] = {}
    issues: list[Issue] = []
    used: set[str] = set()
    groups: list[Quantized] = []
    for name in tensors:
        for layout in LAYOUTS:
            group = _group(layout, name, tensors)
            if group is None:
                continue
            stem, parts = group
            shapes = tuple(shape for shape in layout.shapes(parts, bits) if shape)
            main = parts[layout.main]
            count = prod(shapes[0]) if shapes else layout.values(parts, bits)
            target = stem + layout.target
            members = tuple(stored.name for stored in parts.values())
            found[target] = Logical(target, shapes, count, layout.id, members, main.dtype)
            used.update(members)
            groups.append(Quantized(target, layout.main, parts))
            issues += _scales(layout, target, parts)
            break
    for name, stored in tensors.items():
        if name in used:
            continue
        shapes = (stored.shape,) if stored.shape is not None else ()
        layout_id = CACHE if name.endswith(_CACHE) else "plain"
        found[name] = Logical(name, shapes, prod(shapes[0]) if shapes else None, layout_id, (name,), stored.dtype)
    if groups:
        rest = {name: tensors[name] for name, each in found.items() if each.layout == "plain"}
        told = {issue.name for issue in issues}
        issues += [issue for issue in unlike(groups, rest) if issue.name not in told]
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
        scales = parts[layout.needs[0]]
        if main.shape is not None and scales.shape is not None and scales.shape != main.shape[:-1]:
            detail = f"scales of {_size(scales.shape)} for blocks of {_size(main.shape)}"
            return [Issue("scale", Severity.ERROR, target, detail, scales.file)]
        return []
    if layout.id != "fp8" or main.shape is None or len(main.shape) != 2:
        return []
    for suffix in layout.needs:
        scale = parts.get(suffix)
        if scale is None or scale.shape is None or prod(scale.shape) == 1:
            continue
        rows, columns = main.shape
        if scale.shape != (rows,) and not _in_blocks(scale.shape, rows, columns):
            detail = f"{suffix} of {_size(scale.shape)} for a weight of {_size(main.shape)}"
            detail += f" (blocks of 128: {ceil(rows / 128)}×{ceil(columns / 128)})"
            return [Issue("scale", Severity.WARNING, target, detail, scale.file)]
    return []


BLOCKS = (16, 32, 64, 128, 256)
"""Sides of blocks that share a scale: 128 (DeepSeek-V3), 16 and 32 along a row (NVFP4, OCP MX 1.0), others that GPTQ and MLX use."""


def _in_blocks(scale: Shape, rows: int, columns: int) -> bool:
    """Whether a scale for each row, or block of rows, and for the whole row, or block of it, has a shape."""
    if len(scale) != 2:
        return False
    high = scale[0] in (1, rows) or any(scale[0] == ceil(rows / side) for side in BLOCKS)
    wide = scale[1] in (1, columns) or any(scale[1] == ceil(columns / side) for side in BLOCKS)
    return high and wide and scale != (rows, columns)


def _size(shape: Shape) -> str:
    return "×".join(str(size) for size in shape) or "a number"
