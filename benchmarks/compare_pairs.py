"""`compare` on real pairs: transformers' implementation of a model, and the publisher's own, another library's or an
earlier release's.

    python benchmarks/compare_pairs.py --checkouts DIR [--pair NAME]… [--output benchmarks/tables/compare.md]

DIR holds checkouts of `openai/gpt-oss`, `deepseek-ai/DeepSeek-V3`, `meta-llama/llama-models`, `google/gemma_pytorch`,
`mistralai/mistral-inference`, `karpathy/nanoGPT`, `openai/whisper` and `Lightning-AI/litgpt`, each under its repository's name, of
`pytorch/torchtune`, `facebookresearch/dinov2`, and the unpacked wheels of timm (`timm/timm`), vLLM 0.33 (`vllm-0.33/vllm`), ai2-olmo 0.6 (`OLMo-0.6/olmo`),
fair-esm (`esm/esm`), open-clip-torch (`open_clip/open_clip`) and of an earlier transformers (`transformers-4.57.6/transformers`); nothing of them is
committed. A pair that is not there is left out, which is said.
Each pair gets the settings that make the two sides one size. `KNOWN` says, for each pair, what a reader of both files
finds; the run fails where one of those does not come out, or where a parameter stays without a partner.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import checkout  # noqa: F401

from specdiff import api
from specdiff.cli.options import main_class
from specdiff.compare.model import OPERATIONS, Comparison, Meaning
from specdiff.comparing import Asked, compared
from specdiff.options import Options
from specdiff.report import wording
from specdiff.report.compare import by_reason, folded, held, place

Settings = dict[str, object]


class Known(NamedTuple):
    """One difference that a reader of both files finds."""

    where: str
    """A fact's key, or a relation of parameters (`fused`, `transposed` …)."""
    text: str
    """A word that the row must have."""
    why: str


NOTHING = "no difference"
"""In place of a key, where a reader finds the two to be the same throughout."""


SAME = "one function"
"""In place of a key, where a reader finds nothing that changes a result, and weights that are stored the same way."""


class Pair(NamedTuple):
    """One model, twice."""

    name: str
    left: str
    right: str
    """Below the checkouts."""
    left_settings: Settings
    right_settings: Settings
    known: tuple[Known, ...]
    apart: tuple[str, ...] = ()
    """Parameters that have no partner in truth."""


_PERMUTED = Known(
    "rope.style", "half", "the publisher rotates neighbours, transformers halves; its converter permutes the rows"
)
_ROWS = Known("permuted", "row 2i", "the same permutation, at the weights that it is done to")
_LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
_SMALL = {
    "hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 32, "vocab_size": 1024,
    "intermediate_size": 512, "rms_norm_eps": 1e-5, "max_position_embeddings": 8192,
    "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0},
}  # fmt: skip
_SERVED = Known("fused", "256 + 64 + 64", "vLLM keeps query, key and value in one `qkv_proj`")
_ONE_UP = Known("fused", "512 + 512", "and gate and up in one `gate_up_proj`")
_TUNED = "torchtune/torchtune/models"
_LAYOUT_OF_CLIP = {
    "embed_dim": 512, "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12},
}  # fmt: skip
ELSEWHERE = (
    Pair(
        "Qwen2 7B in torchtune",
        "qwen2::Qwen2ForCausalLM",
        f"{_TUNED}/qwen2/_model_builders.py::qwen2_7b",
        {"vocab_size": 152064, "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
         "num_key_value_heads": 4, "rms_norm_eps": 1e-6, "max_position_embeddings": 131072,
         "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}},
        {},
        (Known(SAME, "", "this one torchtune rotates in halves, as transformers does"),),
    ),
    Pair(
        "Gemma 2B in torchtune",
        "gemma::GemmaForCausalLM",
        f"{_TUNED}/gemma/_model_builders.py::gemma_2b",
        {"vocab_size": 256000, "hidden_size": 2048, "intermediate_size": 16384, "num_hidden_layers": 18, "num_attention_heads": 8,
         "num_key_value_heads": 1, "head_dim": 256},
        {},
        (_PERMUTED, _ROWS),
    ),
    Pair(
        "OLMo in its publisher's package",
        "olmo::OlmoForCausalLM",
        "OLMo-0.6/olmo/model.py::OLMo",
        {"vocab_size": 50304, "hidden_size": 512, "intermediate_size": 1024, "num_hidden_layers": 4, "num_attention_heads": 8},
        {"d_model": 512, "n_heads": 8, "n_layers": 4, "mlp_hidden_size": 2048, "activation_type": "swiglu", "block_type": "sequential",
         "rope": True, "attention_dropout": 0.0, "include_bias": False, "layer_norm_type": "default", "layer_norm_with_affine": False,
         "bias_for_layer_norm": False, "attention_layer_norm_with_affine": False, "max_sequence_length": 2048, "vocab_size": 50280,
         "embedding_size": 50304, "weight_tying": False, "init_device": "meta"},
        (
            Known("fused", "512 + 512 + 512", "the publisher keeps query, key and value in one `att_proj`"),
            Known("fused", "up_proj.weight model.layers.0.mlp.gate_proj.weight", "and up before gate in one `ff_proj`"),
        ),
    ),
    Pair(
        "DINOv2 base",
        "dinov2::Dinov2Model",
        "dinov2/dinov2/models/vision_transformer.py::DinoVisionTransformer",
        {"patch_size": 14, "image_size": 518},
        {"img_size": 518, "patch_size": 14, "embed_dim": 768, "depth": 12, "num_heads": 12, "init_values": 1.0, "block_chunks": 0},
        (Known("fused", "768 + 768 + 768", "the publisher keeps query, key and value in one `qkv`"),),
    ),
    Pair(
        "ESM-2 650M",
        "esm::EsmForMaskedLM",
        "esm/esm/model/esm2.py::ESM2",
        {"vocab_size": 33, "hidden_size": 1280, "num_hidden_layers": 33, "num_attention_heads": 20, "intermediate_size": 5120,
         "position_embedding_type": "rotary", "token_dropout": True, "mask_token_id": 32, "pad_token_id": 1,
         "emb_layer_norm_before": False, "max_position_embeddings": 1026, "layer_norm_eps": 1e-5},
        {"num_layers": 33, "embed_dim": 1280, "attention_heads": 20},
        (Known("attention.softmax_dtype", "float32", "the publisher's softmax is of 32 bits"),),
    ),
    Pair(
        "CLIP ViT-B/32 in OpenCLIP",
        "clip::CLIPModel",
        "open_clip/open_clip/model.py::CLIP",
        {},
        _LAYOUT_OF_CLIP,
        (
            Known("mlp.activation", "gelu", "OpenCLIP has the exact GELU unless it is told, OpenAI's weights the one by a sigmoid"),
            Known("fused", "768 + 768 + 768", "torch's `MultiheadAttention` keeps query, key and value in one `in_proj_weight`"),
            Known("transposed", "visual.proj", "a parameter that is multiplied with from the right"),
        ),
    ),
    Pair(
        "ResNet-50 in timm",
        "resnet::ResNetForImageClassification",
        "timm/timm/models/resnet.py::resnet50",
        {"num_labels": 1000},
        {},
        (Known(SAME, "", "one network, whose stages are numbered otherwise"),),
    ),
    Pair(
        "ConvNeXt-T in timm",
        "convnext::ConvNextForImageClassification",
        "timm/timm/models/convnext.py::convnext_tiny",
        {"num_labels": 1000},
        {},
        (Known(SAME, "", "one network"),),
    ),
    Pair(
        "Swin-T in timm",
        "swin::SwinForImageClassification",
        "timm/timm/models/swin_transformer.py::SwinTransformer",
        {"num_labels": 1000},
        {},
        (Known("fused", "768 + 768 + 768", "timm keeps query, key and value in one `qkv`"),),
    ),
    Pair(
        "Llama in vLLM 0.33",
        "llama::LlamaForCausalLM",
        "vllm-0.33/vllm/model_executor/models/llama.py::LlamaForCausalLM",
        _SMALL,
        _SMALL,
        (_SERVED, _ONE_UP),
    ),
    Pair(
        "Qwen3 in vLLM 0.33",
        "qwen3::Qwen3ForCausalLM",
        "vllm-0.33/vllm/model_executor/models/qwen3.py::Qwen3ForCausalLM",
        _SMALL,
        _SMALL,
        (_SERVED, _ONE_UP),
    ),
    Pair(
        "Mixtral in vLLM 0.33",
        "mixtral::MixtralForCausalLM",
        "vllm-0.33/vllm/model_executor/models/mixtral.py::MixtralForCausalLM",
        {**_SMALL, "num_local_experts": 4},
        {**_SMALL, "num_local_experts": 4},
        (_SERVED,),
    ),
    Pair(
        "Gemma 3 in vLLM 0.33",
        "gemma3::Gemma3ForCausalLM",
        "vllm-0.33/vllm/model_executor/models/gemma3.py::Gemma3ForCausalLM",
        {**{key: value for key, value in _SMALL.items() if key != "rope_parameters"}, "num_hidden_layers": 6},
        {**{key: value for key, value in _SMALL.items() if key != "rope_parameters"}, "num_hidden_layers": 6},
        (_SERVED, _ONE_UP),
    ),
)  # fmt: skip
"""Code bases of another make: functions that make a model, classifiers of pictures, a serving library."""
PAIRS = (
    Pair(
        "gpt-oss",
        "gpt_oss::GptOssForCausalLM",
        "gpt-oss/gpt_oss/torch/model.py",
        {},
        {},
        (
            Known("fused", "4096 + 512 + 512", "the publisher keeps query, key and value in one `qkv`"),
            Known("transposed", "mlp1_weight", "transformers multiplies activations by experts' weights, the publisher the other way"),
            Known("transposed", "mlp2_weight", "the same for the second projection, which is square: told from the axis that meets the data"),
        ),
    ),
    Pair(
        "DeepSeek-V3",
        "deepseek_v3::DeepseekV3ForCausalLM",
        "DeepSeek-V3/inference/model.py",
        {"num_hidden_layers": 5, "max_position_embeddings": 163840, "rope_parameters": {
            "rope_type": "yarn", "rope_theta": 10000.0, "factor": 40.0, "original_max_position_embeddings": 4096,
            "beta_fast": 32.0, "beta_slow": 1.0, "mscale": 1.0, "mscale_all_dim": 1.0}},
        {"vocab_size": 129280, "dim": 7168, "inter_dim": 18432, "moe_inter_dim": 2048, "n_layers": 5, "n_dense_layers": 3,
         "n_heads": 128, "n_routed_experts": 256, "n_shared_experts": 1, "n_activated_experts": 8, "n_expert_groups": 8,
         "n_limited_groups": 4, "route_scale": 2.5, "score_func": "sigmoid", "q_lora_rank": 1536, "kv_lora_rank": 512,
         "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "dtype": "bf16", "max_seq_len": 163840},
        (
            Known("split", "256 of them stacked", "experts' gate and up weights are one stack in transformers, two linears per expert here"),
            Known("unstacked", "256 of 7168×2048", "the same for the down projection"),
            Known("same", "trained on the right", "the selection bias is a buffer in transformers and a parameter here"),
        ),
    ),
    Pair(
        "Llama 3.1 8B",
        "llama::LlamaForCausalLM",
        "llama-models/models/llama3/model.py",
        {"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
         "vocab_size": 128256, "intermediate_size": 14336, "rms_norm_eps": 1e-5, "max_position_embeddings": 131072,
         "rope_parameters": {**_LLAMA3, "rope_theta": 500000.0, "original_max_position_embeddings": 8192}},
        {"dim": 4096, "n_layers": 32, "n_heads": 32, "n_kv_heads": 8, "vocab_size": 128256, "multiple_of": 1024,
         "ffn_dim_multiplier": 1.3, "norm_eps": 1e-5, "rope_theta": 500000.0, "use_scaled_rope": True, "max_seq_len": 131072},
        (_PERMUTED, _ROWS),
    ),
    Pair(
        "Gemma 7B",
        "gemma::GemmaForCausalLM",
        "gemma_pytorch/gemma/model.py",
        {},
        {},
        (Known("fused", "4096 + 4096 + 4096", "the publisher keeps query, key and value in one `qkv_proj`"),),
    ),
    Pair(
        "Mistral 7B",
        "mistral::MistralForCausalLM",
        "mistral-inference/src/mistral_inference/transformer.py",
        {"rms_norm_eps": 1e-5},
        {"dim": 4096, "n_layers": 32, "head_dim": 128, "hidden_dim": 14336, "n_heads": 32, "n_kv_heads": 8,
         "norm_eps": 1e-5, "vocab_size": 32000, "sliding_window": 4096, "rope_theta": 10000.0, "max_batch_size": 1},
        (
            _PERMUTED,
            _ROWS,
            Known("attention.causal", "false", "without a cache the publisher's entry passes no mask; its cache makes the causal window"),
        ),
    ),
    Pair(
        "GPT-2",
        "gpt2::GPT2LMHeadModel",
        "nanoGPT/model.py",
        {},
        {"vocab_size": 50257},
        (
            Known("mlp.activation", "gelu_tanh", "OpenAI's code and transformers approximate GELU by tanh; nanoGPT has `nn.GELU()`, the exact one"),
            Known("dropout.residual", "0.1", "nanoGPT trains without dropout by default"),
            Known("transposed", "c_attn", "transformers keeps OpenAI's `Conv1D`, whose weights are transposed"),
            Known("transposed", "attn.c_proj", "also where the weight is square"),
        ),
    ),
    Pair(
        "Llama 3 8B in LitGPT",
        "llama::LlamaForCausalLM",
        "litgpt/litgpt/model.py::GPT",
        {"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
         "vocab_size": 128256, "intermediate_size": 14336, "rms_norm_eps": 1e-5, "max_position_embeddings": 8192,
         "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}},
        {"n_layer": 32, "n_head": 32, "n_embd": 4096, "n_query_groups": 8, "block_size": 8192, "vocab_size": 128000,
         "padded_vocab_size": 128256, "rotary_percentage": 1.0, "parallel_residual": False, "bias": False,
         "norm_class_name": "RMSNorm", "mlp_class_name": "LLaMAMLP", "intermediate_size": 14336, "rope_base": 500000,
         "norm_eps": 1e-5},
        (
            Known("fused", "4096 + 1024 + 1024", "LitGPT keeps query, key and value in one `qkv`"),
            Known("norm.product_dtype", "float32", "LitGPT multiplies with the norm's weight before it casts back"),
        ),
    ),
    Pair(
        "Whisper tiny",
        "whisper::WhisperForConditionalGeneration",
        "whisper/whisper/model.py::Whisper",
        {},
        {"n_mels": 80, "n_audio_ctx": 1500, "n_audio_state": 384, "n_audio_head": 6, "n_audio_layer": 4, "n_vocab": 51865,
         "n_text_ctx": 448, "n_text_state": 384, "n_text_head": 6, "n_text_layer": 4},
        (Known("encoder.norm.dtype", "float32", "OpenAI's LayerNorm casts to 32 bits, transformers' does not"),
         Known("decoder.norm.dtype", "float32", "the same in the decoder")),
        # OpenAI computes the encoder's sinusoids; transformers keeps them as a parameter that training leaves alone.
        ("model.encoder.embed_positions.weight",),
    ),
    Pair(
        "ViT-B/16 in timm",
        "vit::ViTForImageClassification",
        "timm/timm/models/vision_transformer.py::VisionTransformer",
        {"num_labels": 1000},
        {},
        (
            Known("norm.eps", "1e-12", "timm has 1e-6, transformers' configuration 1e-12"),
            Known("fused", "768 + 768 + 768", "timm keeps query, key and value in one `qkv`"),
        ),
    ),
    Pair(
        "Mixtral in transformers 4.57.6",
        "mixtral::MixtralForCausalLM",
        "transformers-4.57.6/transformers/models/mixtral/modeling_mixtral.py::MixtralForCausalLM",
        {},
        {},
        (
            Known("split", "14336 + 14336", "4.57 has a module per expert, 5.x one stack of gate and up weights"),
            Known("unstacked", "8 of 4096×14336", "the same for the down projection"),
        ),
    ),
    Pair(
        "Llama in transformers 4.57.6",
        "llama::LlamaForCausalLM",
        "transformers-4.57.6/transformers/models/llama/modeling_llama.py::LlamaForCausalLM",
        {},
        {},
        (Known(NOTHING, "", "the two releases are one model"),),
    ),
    *ELSEWHERE,
)  # fmt: skip


def main() -> int:
    """Compare, print, and hold against what is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkouts", type=Path, required=True)
    parser.add_argument("--pair", action="append", default=[])
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    sections, failures = [], []
    rows = []
    for pair in PAIRS:
        if arguments.pair and pair.name not in arguments.pair:
            continue
        if not (arguments.checkouts / pair.right.partition("::")[0]).exists():
            print(f"{pair.name}: left out, {pair.right.partition('/')[0]} is not there", file=sys.stderr)
            continue
        begin = time.process_time()
        result = run(pair, arguments.checkouts)
        took = time.process_time() - begin
        missing = [known for known in pair.known if not comes_out(known, result)]
        failures += [f"{pair.name}: {known.where} ({known.why}) did not come out" for known in missing]
        left_over = len({*result.left_only, *result.right_only} - {*pair.apart})
        if left_over or result.pairing:
            failures.append(f"{pair.name}: {left_over} parameters without a partner {result.pairing}".rstrip())
        rows.append(
            f"| {pair.name} | {result.left.total_parameters:,} | {result.right.total_parameters:,} | {len(result.same)} | "
            f"{len(result.differences)} | {len(result.open)} | {len(result.pairs):,} | {left_over} | "
            f"{len(pair.known) - len(missing)}/{len(pair.known)} |"
        )
        sections.append("\n".join(section(pair, result)))
        print(f"{pair.name}: {took:.1f} s of one core", file=sys.stderr)
    head = [
        "| pair | parameters, transformers | publisher | facts agree | differ | cannot be compared | weights paired | without a partner | known differences |",
        "|---|---|---|---|---|---|---|---|---|",
        *rows,
    ]
    text = "\n".join(head) + "\n\n" + "\n\n".join(sections) + "\n"
    if arguments.output:
        arguments.output.write_text(
            f"# Two implementations of one model\n\nPrinted by `benchmarks/compare_pairs.py`.\n\n{text}"
        )
    print(text)
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def run(pair: Pair, checkouts: Path) -> Comparison:
    """Both sides analysed with their settings."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "params.json"
        config.write_text(json.dumps(pair.right_settings))
        left = whole(pair.left, Options(settings=tuple(pair.left_settings.items())))
        own = config if pair.right_settings else None
        right = whole(str(checkouts / pair.right), Options(config=own))
        return compared(left, right, pair.left, f"{pair.right.partition('::')[0]}::{right.result.name}")


def whole(target: str, options: Options) -> Asked:
    """A target's main class with every operation."""
    named = target if "::" in target else f"{target}::{main_class(api.inspect(target, options), target).name}"
    return Asked(named, options, main_class(api.inspect(named, replace(options, operations=True)), named))


def comes_out(known: Known, result: Comparison) -> bool:
    """Whether a known difference is among those reported."""
    if known.where == NOTHING:
        same = all(pair.relation == "same" for pair in result.pairs)
        return same and not result.open and all(each.meaning is Meaning.WRITTEN for each in result.differences)
    if known.where == SAME:
        stored = all(pair.relation == "same" for pair in result.pairs)
        return stored and not any(each.meaning is Meaning.RESULT for each in result.differences)
    for each in result.differences:
        if each.key == known.where:
            return known.text in (str(each.left.value).lower(), str(each.right.value).lower())
    return any(
        pair.relation == known.where and known.text in f"{' '.join(pair.left)} {' '.join(pair.right)} {pair.how}"
        for pair in result.pairs
    )


def section(pair: Pair, result: Comparison) -> Iterator[str]:
    """One pair's differences, each with its lines and why."""
    yield f"## {pair.name}\n\n`{pair.left}` and `{result.right_target}`; operations: {held(result)}\n"
    yield "| what | transformers | publisher | means | why |\n|---|---|---|---|---|"
    for each in result.differences:
        sides = [
            f"{'none' if side.value is None else wording.value(side.value, each.key)}"
            + (f" `{place(side, each.key)}`" if side.evidence else "")
            for side in (each.left, each.right)
        ]
        said = [known.why for known in pair.known if known.where == each.key]
        why = "; ".join([each.explanation, *said])
        key = f"operations {each.where}" if each.key == OPERATIONS else f"`{each.key}`"
        yield f"| {key} | {sides[0]} | {sides[1]} | {each.meaning} | {why} |"
    for left, right, relation, how, count in folded(result.pairs):
        if relation != "same" or how:
            said = [
                known.why for known in pair.known if known.where == relation and known.text in f"{left} {right} {how}"
            ]
            why = "; ".join([how, *said])
            yield f"| weights, {count} of them | `{left}` | `{right}` | {relation} | {why} |"
    if result.open:
        yield "\nCannot be compared:\n"
        for reason, keys in by_reason(result.open):
            yield f"- {wording.clean(reason)}: {', '.join(f'`{key}`' for key in keys)}"


if __name__ == "__main__":
    raise SystemExit(main())
