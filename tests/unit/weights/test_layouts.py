"""Ways in which publishers store a quantized weight of 16 rows and 32 columns, each held against one projection of a small model."""

from __future__ import annotations

import json
import struct
from math import prod
from pathlib import Path

import pytest

from specdiff import checkpoints
from specdiff.options import Options
from specdiff.project.targets import resolve
from specdiff.session import Session
from specdiff.weights.model import WeightsResult

CONFIG = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 8, "hidden_size": 32, "intermediate_size": 16,
    "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 4, "tie_word_embeddings": False,
}  # fmt: skip
STEM = "model.layers.0.mlp.up_proj"
SESSION = Session(Options(only=frozenset({"parameters"})))
BYTES = {"F32": 4, "I16": 2, "U32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I8": 1, "U8": 1, "F8_E4M3": 1}
Headers = dict[str, tuple[str, tuple[int, ...]]]
LAYOUTS: dict[str, tuple[str, Headers]] = {
    "GPTQ, three bits": ("gptq", {".qweight": ("I32", (3, 16)), ".qzeros": ("I32", (1, 2)), ".scales": ("F16", (1, 16)), ".g_idx": ("I32", (32,))}),
    "integers with zero points": ("fp8", {".weight": ("I8", (16, 32)), ".weight_scale": ("F16", (16, 1)), ".weight_zero_point": ("I8", (16, 1)),
                                  ".input_scale": ("F16", (1,)), ".input_zero_point": ("I8", (1,))}),
    "a bound of the input's scale": ("fp8", {".weight": ("F8_E4M3", (16, 32)), ".weight_scale": ("F32", (16, 1)), ".input_scale_ub": ("F32", (1,))}),
    "NVFP4": ("nvfp4", {".weight": ("U8", (16, 16)), ".weight_scale": ("F8_E4M3", (16, 2)), ".weight_scale_2": ("F32", ()), ".input_scale": ("F32", ())}),
    "MXFP4 of dense weights": ("packed-bytes", {".weight": ("U8", (16, 16)), ".weight_scale": ("U8", (16, 1))}),
    "BitNet": ("packed-bytes", {".weight": ("U8", (4, 32)), ".weight_scale": ("BF16", (1,))}),
    "EETQ": ("eetq", {".weight": ("I8", (32, 16)), ".weight_scales": ("F16", (16,))}),
    "HQQ": ("hqq", {".W_q": ("U8", (4, 64)), ".scale": ("F16", (8, 1)), ".zero": ("F16", (8, 1)), ".nbits": ("I64", ())}),
    "quanto": ("quanto", {".weight._data": ("I8", (16, 32)), ".weight._scale": ("F16", (16, 1)), ".input_scale": ("F16", ()), ".output_scale": ("F16", ())}),
    "torchao": ("torchao", {"._weight_qdata": ("I8", (16, 32)), "._weight_scale": ("F16", (16, 1))}),
    "AQLM": ("aqlm", {".codes": ("I8", (16, 4, 1)), ".codebooks": ("F16", (1, 256, 1, 8)), ".scales": ("F16", (16, 1, 1, 1))}),
    "HIGGS": ("higgs", {".weight": ("I16", (4, 32)), ".scales": ("F16", (2,)), ".tables": ("F16", (16,)), ".tables2": ("F16", (16, 16, 2))}),
    "GPTQ, no index": ("awq", {".qweight": ("I32", (8, 16)), ".qzeros": ("I32", (1, 4)), ".scales": ("F16", (1, 16))}),
    "AWQ for GEMV": ("awq", {".qweight": ("I32", (16, 4)), ".qzeros": ("I32", (16, 1)), ".scales": ("F16", (16, 8))}),
    "AWQ for fast GEMV": ("awq", {".qweight": ("I16", (4, 32)), ".qzeros": ("F16", (8, 16)), ".scales": ("F16", (8, 16))}),
    "packed in bytes of six bits": ("compressed-tensors", {".weight_packed": ("U8", (16, 24)), ".weight_scale": ("U8", (16, 1))}),
    "packed words of eight bits": ("compressed-tensors", {".weight_packed": ("I32", (16, 8)), ".weight_scale": ("F16", (16, 1)), ".weight_shape": ("I64", (2,))}),
    "half of the values": ("sparse", {".compressed": ("F16", (16, 16)), ".bitmask": ("U8", (16, 4)), ".shape": ("I64", (2,))}),
    "a scale of another name": ("fp8", {".weight": ("F8_E4M3", (16, 32)), ".qscale_weight": ("F32", ()), ".qscale_act": ("F32", ())}),
    "scales for each 32 values": ("fp8", {".weight": ("F8_E4M3", (16, 32)), ".weight_scale": ("U8", (16, 1))}),
    "MLX": ("affine", {".weight": ("U32", (16, 4)), ".scales": ("F16", (16, 1)), ".biases": ("F16", (16, 1))}),
    "FP-Quant": ("fp-quant", {".qweight": ("U8", (16, 16)), ".scales": ("U8", (16, 1)), ".forward_hadamard_matrix": ("BF16", (32, 32))}),
    "quanto, four bits": ("quanto", {".weight._data._data": ("U8", (4, 64)), ".weight._scale": ("F16", (4, 1)), ".weight._shift": ("F16", (4, 1))}),
    "SpQR": ("spqr", {".dense_weights": ("I64", (64,)), ".row_offsets": ("I32", (17,)), ".col_vals": ("I32", (7,)), ".in_perm": ("I16", (32,))}),
    "Gemma's": ("packed-bytes", {".weight": ("U8", (16, 16)), ".weight_scale": ("F32", (16, 1)), ".input_activation_scale": ("F32", ())}),
    "VPTQ": ("vptq", {".indices": ("I32", (1, 2, 16)), ".centroids.weight": ("F16", (1, 256)), ".perm": ("I32", (32,))}),
}  # fmt: skip


def held(folder: Path, headers: Headers, config: dict[str, object]) -> WeightsResult:
    """A file's header alone, held against the code that its configuration names."""
    (folder / "config.json").write_text(json.dumps(config))
    table, end = {}, 0
    for name, (dtype, shape) in headers.items():
        begin, end = end, end + prod(shape) * BYTES[dtype]
        table[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    raw = json.dumps(table).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(raw)) + raw)
    return checkpoints.weights(folder, session=SESSION)


def plain(config: dict[str, object]) -> Headers:
    (target,) = resolve(f"{config['model_type']}::{config['architectures'][0]}")  # type: ignore[index]
    (result,) = SESSION.analyse(target, dict(config))
    return {name: ("F32", shape) for name, shape in result.parameters.items()}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_stands_for_its_weight(name: str, tmp_path: Path) -> None:
    layout, parts = LAYOUTS[name]
    headers = plain(CONFIG)
    del headers[f"{STEM}.weight"]
    result = held(tmp_path, headers | {STEM + suffix: entry for suffix, entry in parts.items()}, CONFIG)
    assert [str(issue.kind) for issue in result.issues if issue.severity != "note"] == []
    assert result.layouts[layout] == 1
    assert result.matched == result.parameters


@pytest.mark.parametrize("name", ["NVFP4", "MXFP4 of dense weights", "BitNet", "EETQ", "quanto", "torchao", "AQLM"])
def test_a_layout_of_another_size_does_not_fit(name: str, tmp_path: Path) -> None:
    _, parts = LAYOUTS[name]
    headers = plain(CONFIG)
    del headers[f"{STEM}.weight"]
    result = held(tmp_path, headers | {STEM + s: e for s, e in parts.items()}, CONFIG | {"intermediate_size": 24})
    assert ("shape", f"{STEM}.weight") in {(issue.kind, issue.name) for issue in result.issues}


BERT = {
    "model_type": "bert", "architectures": ["BertForMaskedLM"], "vocab_size": 8, "hidden_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 8, "max_position_embeddings": 4,
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "extra", "severity", "why"),
    [
        pytest.param(BERT, {"bert.pooler.dense.weight": ("F32", (16, 16))}, "note", "BertModel has a place for it", id="of the base model"),
        pytest.param(BERT, {"cls.seq_relationship.bias": ("F32", (2,))}, "note", "BertForPreTraining has a place for it", id="of another head"),
        pytest.param(BERT, {"cls.seq_relationship.bias": ("F32", (3,))}, "error", "stored 3", id="of another head, another size"),
        pytest.param(CONFIG, {"model.layers.0.self_attn.rotary_emb.inv_freq": ("F32", (4,))}, "note",
                     "the code computes model.rotary_emb.inv_freq itself", id="a buffer of older code"),
        pytest.param(CONFIG | {"num_nextn_predict_layers": 1}, {"model.layers.1.eh_proj.weight": ("F32", (32, 64))}, "note",
                     "the code builds 1 layer, and num_nextn_predict_layers is 1", id="a layer that predicts further tokens"),
        pytest.param(CONFIG | {"num_nextn_predict_layers": 1}, {"model.layers.2.eh_proj.weight": ("F32", (32, 64))}, "error", "stored 32×64",
                     id="a layer behind it"),
        pytest.param(CONFIG, {"model.layers.1.eh_proj.weight": ("F32", (32, 64))}, "error", "stored 32×64", id="a layer that nothing counts"),
    ],
)  # fmt: skip
def test_a_tensor_without_a_place(
    config: dict[str, object], extra: Headers, severity: str, why: str, tmp_path: Path
) -> None:
    result = held(tmp_path, plain(config) | extra, config)
    (found,) = [issue for issue in result.issues if issue.kind == "unexpected"]
    assert (str(found.severity), found.detail.partition("; ")[2] or found.detail) == (severity, why)


@pytest.mark.parametrize(
    ("damage", "detail"),
    [
        pytest.param({}, None, id="whole"),
        pytest.param({".weight_scale": None}, "it has no .weight_scale, which 3 like it have", id="a scale is lost"),
        pytest.param({".weight_scale": ("F32", (1,))}, ".weight_scale of 1, 3 like it have 16×1", id="a scale of another kind"),
        pytest.param({".weight_scale": ("F32", (5, 1))}, ".weight_scale of 5×1 for a weight of 16×32 (blocks of 128: 1×1)", id="no scale's shape"),
    ],
)  # fmt: skip
def test_a_scale_is_told_from_those_of_other_layers(
    damage: dict[str, tuple[str, tuple[int, ...]] | None], detail: str | None, tmp_path: Path
) -> None:
    config = CONFIG | {"num_hidden_layers": 4}
    headers = plain(config)
    for layer in range(4):
        stem = f"model.layers.{layer}.mlp.up_proj"
        parts = {".weight": ("F8_E4M3", (16, 32)), ".weight_scale": ("F32", (16, 1))} | (damage if layer == 2 else {})
        headers |= {stem + suffix: entry for suffix, entry in parts.items() if entry is not None}
    found = [issue for issue in held(tmp_path, headers, config).issues if issue.kind == "scale"]
    assert [(each.name, each.detail) for each in found] == (
        [("model.layers.2.mlp.up_proj.weight", detail)] if detail else []
    )
