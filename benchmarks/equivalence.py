"""Runs a class and its mutant with torch on the same random weights; reads a request on standard input, prints one word.

Part of making ground truth (`mutations.py --torch`); needs torch and transformers, and runs the code it is given.
"""

from __future__ import annotations

import importlib
import json
import sys
import types

import torch

SMALL = {
    "hidden_size": 64, "n_embd": 64, "d_model": 64, "intermediate_size": 96, "ffn_dim": 96, "d_ff": 96, "moe_intermediate_size": 48,
    "num_attention_heads": 4, "n_head": 4, "num_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 2, "n_layer": 2,
    "num_layers": 2, "vocab_size": 128, "num_local_experts": 4, "num_experts": 4, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "head_dim": 16, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "max_position_embeddings": 64, "sliding_window": 4,
}  # fmt: skip


def main() -> None:
    request = json.loads(sys.stdin.read())
    package, _, _stem = request["module"].rpartition(".")
    original = importlib.import_module(request["module"])
    if "modeling" not in request["path"]:
        print("a configuration is not compared")
        return
    changed = types.ModuleType(request["module"])
    changed.__package__ = package
    changed.__file__ = original.__file__
    exec(compile(request["text"], "mutant", "exec"), changed.__dict__)
    first, second = getattr(original, request["class"]), getattr(changed, request["class"])
    config_class = first.config_class
    known = vars(config_class())
    config = config_class(**{name: value for name, value in SMALL.items() if name in known})
    config._attn_implementation = "eager"  # noqa: SLF001
    outputs, states = [], []
    for cls in (first, second):
        torch.manual_seed(0)
        model = cls(config).eval()
        states.append(model)
    generator = torch.Generator().manual_seed(1)
    for tensor in states[0].state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.2 + (0.5 if tensor.dim() == 1 else 0))
    missing = states[1].load_state_dict(states[0].state_dict(), strict=False)
    if missing.missing_keys or missing.unexpected_keys:
        print("differs")
        return
    ids = torch.randint(3, 100, (2, 12), generator=generator)
    for model in states:
        with torch.no_grad():
            result = model(input_ids=ids)
        outputs.append(result[0].float())
    print("same" if torch.allclose(*outputs, atol=1e-5, rtol=1e-4) else "differs")


main()
