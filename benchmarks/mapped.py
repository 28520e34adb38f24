"""Whether what `compare` calls the same gives the same: shared random weights through the reported mapping, both sides run with torch.

    python benchmarks/mapped.py --checkouts DIR --python TORCH_PYTHON [--pair NAME]…

DIR is that of `compare_pairs.py`, with `openai/whisper` beside the others; TORCH_PYTHON is an interpreter
with torch and transformers. Each pair is compared in a small size; `mapped_run.py` builds both sides, gives the left one
random weights, the right one the same through the pairs that `compare` reports, and runs them on the same tokens. Printed per pair: how
many parameters were carried over by which relation, and the largest difference of the outputs beside their largest value. The run
fails where outputs differ although no difference that changes the result is reported, or agree although one is.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import checkout  # noqa: F401

from specdiff import api
from specdiff.cli.options import main_class
from specdiff.compare.model import Comparison, Meaning
from specdiff.compare.sides import compare
from specdiff.options import Options

Settings = dict[str, Any]
CLOSE = 2e-5
"""As a share of the largest output: single precision, a few layers."""


class Pair(NamedTuple):
    """One model, twice, in a small size."""

    name: str
    left: str
    right: str
    """Below the checkouts."""
    left_settings: Settings
    right_settings: Settings
    run: str
    """How `mapped_run.py` builds and calls the right side."""


_SIZES = {
    "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 96,
    "intermediate_size": 80, "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
_PLAIN = {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}
_GPT2 = {
    "n_embd": 64,
    "n_layer": 3,
    "n_head": 4,
    "vocab_size": 96,
    "n_positions": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
PAIRS = (
    Pair("gpt-oss", "gpt_oss::GptOssForCausalLM", "gpt-oss/gpt_oss/torch/model.py::Transformer",
         {**_SIZES, "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 5, "head_dim": 32, "max_position_embeddings": 131072,
          "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
         {"num_hidden_layers": 3, "num_experts": 4, "experts_per_token": 2, "vocab_size": 96, "hidden_size": 64, "intermediate_size": 80,
          "head_dim": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "sliding_window": 5}, "gpt_oss"),
    Pair("DeepSeek-V3", "deepseek_v3::DeepseekV3ForCausalLM", "DeepSeek-V3/inference/model.py::Transformer",
         {**_SIZES, "hidden_size": 7168, "num_key_value_heads": 4, "head_dim": 8, "n_routed_experts": 8, "n_shared_experts": 1, "num_experts_per_tok": 2, "n_group": 4,
          "topk_group": 2, "moe_intermediate_size": 32, "first_k_dense_replace": 1, "q_lora_rank": 24, "kv_lora_rank": 32,
          "qk_nope_head_dim": 16, "qk_rope_head_dim": 8, "v_head_dim": 16, "routed_scaling_factor": 2.5, "max_position_embeddings": 4096,
          "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
         {"vocab_size": 96, "dim": 7168, "inter_dim": 80, "moe_inter_dim": 32, "n_layers": 3, "n_dense_layers": 1, "n_heads": 4,
          "n_routed_experts": 8, "n_shared_experts": 1, "n_activated_experts": 2, "n_expert_groups": 4, "n_limited_groups": 2,
          "route_scale": 2.5, "score_func": "sigmoid", "q_lora_rank": 24, "kv_lora_rank": 32, "qk_nope_head_dim": 16,
          "qk_rope_head_dim": 8, "v_head_dim": 16, "max_seq_len": 4096, "max_batch_size": 2}, "deepseek"),
    Pair("Llama 3", "llama::LlamaForCausalLM", "llama-models/models/llama3/model.py::Transformer",
         {**_SIZES, "intermediate_size": 256, "rms_norm_eps": 1e-5, "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}},
         {"dim": 64, "n_layers": 3, "n_heads": 4, "n_kv_heads": 2, "vocab_size": 96, "multiple_of": 256, "norm_eps": 1e-5,
          "rope_theta": 500000.0, "max_seq_len": 64, "max_batch_size": 2}, "llama"),
    Pair("Gemma", "gemma::GemmaForCausalLM", "gemma_pytorch/gemma/model.py::GemmaForCausalLM",
         {**_SIZES, **_PLAIN, "rms_norm_eps": 1e-6},
         {"vocab_size": 96, "max_position_embeddings": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
          "hidden_size": 64, "intermediate_size": 80, "head_dim": 16, "rms_norm_eps": 1e-6}, "gemma"),
    Pair("GPT-2", "gpt2::GPT2LMHeadModel", "nanoGPT/model.py::GPT", {**_GPT2, "activation_function": "gelu"},
         {"n_embd": 64, "n_layer": 3, "n_head": 4, "vocab_size": 96, "block_size": 64}, "nano"),
    Pair("GPT-2, tanh against exact GELU", "gpt2::GPT2LMHeadModel", "nanoGPT/model.py::GPT", _GPT2,
         {"n_embd": 64, "n_layer": 3, "n_head": 4, "vocab_size": 96, "block_size": 64}, "nano"),
    Pair("Llama in LitGPT", "llama::LlamaForCausalLM", "litgpt/litgpt/model.py::GPT",
         {**_SIZES, **_PLAIN, "rms_norm_eps": 1e-5},
         {"n_layer": 3, "n_head": 4, "n_embd": 64, "n_query_groups": 2, "block_size": 64, "vocab_size": 96, "padded_vocab_size": 96,
          "rotary_percentage": 1.0, "parallel_residual": False, "bias": False, "norm_class_name": "RMSNorm", "mlp_class_name": "LLaMAMLP",
          "intermediate_size": 80, "rope_base": 10000, "norm_eps": 1e-5}, "litgpt"),
    Pair("Whisper", "whisper::WhisperForConditionalGeneration", "whisper/whisper/model.py::Whisper",
         {"d_model": 64, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
          "encoder_ffn_dim": 256, "decoder_ffn_dim": 256, "num_mel_bins": 20, "vocab_size": 96, "max_source_positions": 40,
          "max_target_positions": 32, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1},
         {"n_mels": 20, "n_audio_ctx": 40, "n_audio_state": 64, "n_audio_head": 4, "n_audio_layer": 2, "n_vocab": 96, "n_text_ctx": 32,
          "n_text_state": 64, "n_text_head": 4, "n_text_layer": 2}, "whisper"),
)  # fmt: skip


def main() -> int:
    """Compare, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkouts", type=Path, required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--pair", action="append", default=[])
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    lines = [
        "| pair | carried over | result differences reported | largest difference | largest output | |",
        "|---|---|---|---|---|---|",
    ]
    failures = 0
    for pair in PAIRS:
        if arguments.pair and pair.name not in arguments.pair:
            continue
        row, fine = one(pair, arguments.checkouts.resolve(), arguments.python)
        lines.append(row)
        failures += not fine
        print(row, flush=True)
    text = "\n".join(lines) + "\n"
    if arguments.output:
        arguments.output.write_text(
            f"# Shared weights through the mapping\n\nPrinted by `benchmarks/mapped.py`.\n\n{text}"
        )
    return 1 if failures else 0


def one(pair: Pair, checkouts: Path, python: str) -> tuple[str, bool]:
    """A row, and whether what was run agrees with what was said."""
    result = compared(pair, checkouts)
    said = [each.key for each in result.differences if each.meaning is Meaning.RESULT]
    if result.pairing or result.left_only or result.right_only:
        said.append("parameters without a partner")
    moved = Counter(each.relation for each in result.pairs)
    job = {
        "left": pair.left,
        "left_settings": pair.left_settings,
        "right_settings": pair.right_settings,
        "run": pair.run,
        "checkouts": str(checkouts),
        "head_dim": _fact(result, "attention.head_dim"),
        "pairs": [[list(each.left), list(each.right), each.relation, each.how] for each in result.pairs],
    }
    ran = subprocess.run(
        [python, str(Path(__file__).with_name("mapped_run.py"))], input=json.dumps(job), capture_output=True, text=True
    )
    answer = json.loads(ran.stdout.splitlines()[-1]) if ran.returncode == 0 and ran.stdout else None
    carried = ", ".join(f"{count} {relation}" for relation, count in moved.items())
    told = ", ".join(said) or "none"
    if answer is None:
        why = (ran.stderr.strip().splitlines() or ["no answer"])[-1]
        return f"| {pair.name} | {carried} | {told} | | | could not run: {why[:200]} |", False
    same = answer["difference"] <= CLOSE * answer["largest"]
    fine = same is not bool(said)
    word = "as said" if fine else "NOT AS SAID"
    return f"| {pair.name} | {carried} | {told} | {answer['difference']:.2g} | {answer['largest']:.2g} | {word} |", fine


def compared(pair: Pair, checkouts: Path) -> Comparison:
    """Both sides analysed in the small size."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.json"
        config.write_text(json.dumps(pair.right_settings))
        left = main_class(api.inspect(pair.left, Options(settings=tuple(pair.left_settings.items()))), pair.left)
        right = main_class(api.inspect(str(checkouts / pair.right), Options(config=config)), pair.right)
    return compare(left, right, pair.left, pair.right)


def _fact(result: Comparison, key: str) -> Any:
    for side in (result.left, result.right):
        if key in side.sheet.facts:
            return side.sheet.facts[key].value
    return None


if __name__ == "__main__":
    sys.exit(main())
