"""Runs classes and their mutants with torch on the same random weights; a request per line on standard input, a word per line out.

Part of making ground truth (`mutations.py --prove`); needs torch and transformers, and runs the code it is given. Compared are a
plain prompt, a padded one, one token after a prompt with the cache, and the loss, each where the original gives it: `same` where
all that the original gives is equal, `differs`, or why it could not be told.
"""

from __future__ import annotations

import importlib
import json
import random
import sys
import types
from typing import Any

import numpy
import torch

SMALL = {
    "hidden_size": 64, "n_embd": 64, "d_model": 64, "intermediate_size": 96, "ffn_dim": 96, "d_ff": 96, "moe_intermediate_size": 48,
    "num_attention_heads": 4, "n_head": 4, "num_heads": 4, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
    "encoder_ffn_dim": 96, "decoder_ffn_dim": 96, "num_key_value_heads": 2, "num_hidden_layers": 4, "n_layer": 4, "num_layers": 4,
    "encoder_layers": 2, "decoder_layers": 2, "vocab_size": 128, "num_local_experts": 4, "num_experts": 4, "n_routed_experts": 4,
    "num_experts_per_tok": 2, "head_dim": 16, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "sliding_window": 4,
    "decoder_start_token_id": 1, "embedding_size": 64, "ffn_hidden_size": 96, "expert_ffn_hidden_size": 48,
    "shared_expert_intermediate_size": 48, "moe_shared_expert_intermediate_size": 48, "embed_dim": 48, "state_size": 16,
    "index_n_heads": 4, "index_head_dim": 32, "index_topk": 4, "n_group": 2, "topk_group": 1, "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4, "encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0, "layerdrop": 0.0,
}  # fmt: skip
LATENT = {
    "q_lora_rank": 32,
    "kv_lora_rank": 32,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 16,
    "v_head_dim": 16,
    "qk_head_dim": 32,
}
VARIANTS: tuple[dict[str, Any], ...] = (
    {}, {"head_dim": 32}, {"num_key_value_heads": 4, **LATENT}, {"num_key_value_heads": 4, **LATENT, "head_dim": None},
    {"head_dim": None}, {"num_key_value_heads": 4}, {"head_dim": 32, "n_groups": 2}, {"hidden_size": 128, "num_heads": 4, "head_dim": 64},
    {"embed_dim": None}, {"rotary_dim": 8}, {"hidden_size": None, "head_dim": None, "num_heads": None},
)  # fmt: skip
"""Sizes in place of those of `SMALL`, tried in turn: not every architecture takes every combination; None leaves the default."""
MOST_PARAMETERS = 60_000_000


def main() -> None:
    for line in sys.stdin:
        try:
            print(judged(json.loads(line)), flush=True)
        except Exception as error:  # noqa: BLE001 - one request's failure is that request's answer
            print(f"cannot run: {type(error).__name__}: {' '.join(str(error).split())[:120]}", flush=True)


def judged(request: dict[str, Any]) -> str:
    if "modeling" not in request["path"].rpartition("/")[2]:
        return "a configuration is not compared"
    original = importlib.import_module(request["module"])
    changed = types.ModuleType(request["module"])
    changed.__package__ = request["module"].rpartition(".")[0]
    changed.__file__ = original.__file__
    try:
        exec(compile(request["text"], request["path"], "exec"), changed.__dict__)
    except Exception:  # noqa: BLE001 - a module that cannot be loaded is a difference
        return "differs"
    first, second = getattr(original, request["class"]), getattr(changed, request["class"])
    config = small(first)
    torch.manual_seed(0)
    one = first(config)
    torch.set_num_threads(1)
    given = {name: torch.randn(t.shape) * 0.2 + (0.5 if t.dim() == 1 else 0) for name, t in one.named_parameters()}
    try:
        other = second(config)
    except Exception:  # noqa: BLE001
        return "differs"
    if one.state_dict().keys() != other.state_dict().keys():
        return "differs"
    for model in (one, other):
        for name, parameter in model.named_parameters():
            if name not in given or given[name].shape != parameter.shape:
                return "differs"
            parameter.data.copy_(given[name])
    ran = 0
    for run in (plain, padded, decoded, trained):
        seed()
        try:
            expected = run(one.eval(), config)
        except Exception:  # noqa: BLE001 - the original cannot do this
            continue
        if not expected:
            continue
        seed()
        try:
            found = run(other.eval(), config)
        except Exception:  # noqa: BLE001
            return "differs"
        ran += 1
        if len(expected) != len(found):
            return "differs"
        for left, right in zip(expected, found, strict=True):
            if left.shape != right.shape or not torch.allclose(left.float(), right.float(), 1e-4, 1e-5, True):
                return "differs"
    return "same" if ran else "cannot run: the original takes none of the inputs"


def seed() -> None:
    """Start all random numbers anew: masks over time come from numpy's."""
    torch.manual_seed(1)
    numpy.random.seed(1)
    random.seed(1)


def small(cls: Any) -> Any:
    config_class = cls.config_class
    known = vars(config_class())
    drops = {name: 0.0 for name, value in known.items() if "drop" in name and isinstance(value, float)}
    depths = {name: [1] * len(value) for name, value in known.items() if name == "depths" and isinstance(value, list)}
    attempts = [{**SMALL, **variant} for variant in VARIANTS]
    attempts.append({name: value for name, value in SMALL.items() if "layers" in name})
    built = None
    for attempt in attempts:
        values = {
            name: value for name, value in attempt.items() if isinstance(known.get(name), int) and value is not None
        }
        try:
            config = config_class(**values, **drops, **depths)
            config._attn_implementation = "eager"  # noqa: SLF001
            config._experts_implementation = "eager"  # noqa: SLF001 - the loop that the file writes out
            with torch.device("meta"):
                size = sum(parameter.numel() for parameter in cls(config).parameters())
            if size > MOST_PARAMETERS:
                continue
            built = built or config
            torch.manual_seed(0)
            if plain(cls(config).eval(), config):
                return config
        except Exception:  # noqa: BLE001 - the next one
            continue
    if built is None:
        raise ValueError("no small configuration")
    return built


def prompt(model: Any, config: Any) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    name = model.main_input_name
    text = torch.randint(3, 100, (2, 12), generator=generator)
    if name == "input_ids":
        made = {"input_ids": text}
    elif name == "pixel_values":
        size = getattr(config, "image_size", 224)
        size = size if isinstance(size, int) else size[0]
        made = {"pixel_values": torch.randn((2, getattr(config, "num_channels", 3), size, size), generator=generator)}
    elif name == "input_features":
        width = getattr(config, "num_mel_bins", None) or getattr(config, "input_feat_per_channel", 80)
        shape = (
            (2, width, 3000)
            if "conv1" in dir(getattr(getattr(model, "model", model), "encoder", None))
            else (2, 64, width)
        )
        made = {"input_features": torch.randn(shape, generator=generator)}
    else:
        shape = (2, 1, 8000) if hasattr(config, "audio_channels") else (2, 8000)
        made = {name: torch.randn(shape, generator=generator)}
    if getattr(config, "is_encoder_decoder", False):
        made["decoder_input_ids"] = text[:, :6].clone()
    return made


def tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value] if value.is_floating_point() else []
    if isinstance(value, dict):
        return [item for each in value.values() for item in tensors(each)]
    if isinstance(value, list | tuple):
        return [item for each in value for item in tensors(each)]
    return []


def plain(model: Any, config: Any) -> list[torch.Tensor]:
    with torch.no_grad():
        return tensors(dict(model(**prompt(model, config))))


def padded(model: Any, config: Any) -> list[torch.Tensor]:
    made = prompt(model, config)
    first = next(iter(made.values()))
    if model.main_input_name == "pixel_values":
        return []
    mask = torch.ones(first.shape[:2], dtype=torch.int64)
    mask[0, : first.shape[1] // 3] = 0
    with torch.no_grad():
        return tensors(dict(model(**made, attention_mask=mask)))


def decoded(model: Any, config: Any) -> list[torch.Tensor]:
    made = prompt(model, config)
    with torch.no_grad():
        first = model(**made, use_cache=True)
        kept = {
            name: first[name] for name in ("past_key_values", "cache_params", "state") if first.get(name) is not None
        }
        if not kept:
            return []
        text = "decoder_input_ids" if "decoder_input_ids" in made else "input_ids"
        return tensors(dict(model(**{**made, text: torch.full((2, 1), 7)}, **kept, use_cache=True)))


def trained(model: Any, config: Any) -> list[torch.Tensor]:
    made = prompt(model, config)
    text = made.get("decoder_input_ids", made.get("input_ids"))
    labels = text if text is not None else torch.zeros(2, dtype=torch.int64)
    if type(model).__name__.endswith("CTC"):
        labels = torch.randint(3, 30, (2, 4), generator=torch.Generator().manual_seed(3))
    model.train()
    found = model(**made, labels=labels)
    return [found.loss.detach()]


if __name__ == "__main__":
    main()
