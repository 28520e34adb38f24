"""Records what really happens when small models run: calls between model functions, and which parameters get a gradient.

Needs torch and transformers, unlike the package. ``python benchmarks/make_calls.py OUT.jsonl [--not FILE.jsonl.xz]…
[--part I/N] [--seconds S]`` writes rows like those of ``truth/dynamic-*.jsonl.xz``, with the inputs that were given.
"""

from __future__ import annotations

import argparse
import importlib
import json
import lzma
import re
import signal
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import PretrainedConfig, PreTrainedModel

ROOT = Path(transformers.__file__).parent / "models"
SMALL: dict[str, Any] = {
    "vocab_size": 128, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 128, "d_model": 64, "encoder_layers": 2,
    "decoder_layers": 2, "encoder_ffn_dim": 96, "decoder_ffn_dim": 96, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "num_experts": 4, "num_local_experts": 4, "n_routed_experts": 4,
    "num_experts_per_tok": 2, "moe_intermediate_size": 32, "shared_expert_intermediate_size": 32, "n_group": 1,
    "topk_group": 1, "kv_lora_rank": 16, "q_lora_rank": 24, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8,
    "v_head_dim": 16, "n_layer": 4, "n_head": 4, "n_embd": 64, "n_positions": 128, "n_layers": 4, "n_heads": 4,
    "num_layers": 4, "num_heads": 4, "d_ff": 96, "d_kv": 16, "num_decoder_layers": 4, "ffn_dim": 96,
    "embedding_size": 64, "max_seq_len": 128, "image_size": 32, "patch_size": 8, "max_source_positions": 64,
    "max_target_positions": 64, "mlp_dim": 96, "emb_dim": 64, "word_embed_proj_dim": 64, "projection_dim": 32,
    "encoder_hidden_size": 64, "decoder_hidden_size": 64, "encoder_num_hidden_layers": 2,
    "decoder_num_hidden_layers": 2, "depth": 2, "num_hidden_groups": 1, "moe_num_experts": 4, "cross_attention_dim": 64,
    "hidden_sizes": None, "num_encoder_layers": 2,
}  # fmt: skip
"""Small sizes by setting name; None leaves the default."""
MAX_PARAMETERS = 400_000_000
TOKENS = 9
Edge = tuple[str, str]


class Timeout(Exception):
    """Indicates that a class took too long."""


def shrunk(config: PretrainedConfig, level: int, depth: int = 0) -> dict[str, Any]:
    """Overrides that make a configuration small; higher levels leave more as it is."""
    found: dict[str, Any] = {}
    own = config.to_dict()
    for name, value in own.items():
        part = getattr(config, name, None)
        if isinstance(part, PretrainedConfig) and depth < 3:
            found[name] = {"model_type": part.model_type, **shrunk(part, level, depth + 1)}
        elif name == "layer_types" and isinstance(value, list) and "num_hidden_layers" in own:
            found[name] = layer_kinds(value, 4)
        elif SMALL.get(name) is not None and isinstance(value, int) and not isinstance(value, bool):
            if level > 0 and name in ("head_dim", "num_key_value_heads", "v_head_dim", "patch_size", "image_size"):
                continue
            if level > 1 and name in ("hidden_size", "d_model", "projection_dim", "embedding_size", "n_embd"):
                continue
            found[name] = min(SMALL[name], value) if name != "vocab_size" else SMALL[name]
        elif re.fullmatch(r"(pad|bos|eos|sep|cls|mask|decoder_start|image|video|audio)_token_(id|index)", name):
            if isinstance(value, int) and value >= SMALL["vocab_size"]:
                found[name] = 1
    heads = found.get("num_attention_heads")
    if heads and "num_key_value_heads" in found and own.get("num_key_value_heads") == own.get("num_attention_heads"):
        found["num_key_value_heads"] = heads
    return found


def layer_kinds(kinds: list[Any], count: int) -> list[Any]:
    """A few layers among which every kind appears (the last layers give way)."""
    picked = list(kinds[:count])
    for kind in dict.fromkeys(kinds):
        if kind not in picked:
            duplicates = [i for i, item in enumerate(picked) if picked.count(item) > 1]
            if not duplicates:
                break
            picked[duplicates[-1]] = kind
    return picked


def candidates(model: type[PreTrainedModel]) -> Iterator[dict[str, Any]]:
    """Overrides to try, the smallest model first."""
    config = model.config_class()
    for level in (0, 1, 2):
        yield shrunk(config, level)


def setting(config: PretrainedConfig, name: str, default: int) -> Any:
    """A number from a configuration or from one of its parts."""
    holders = [config, *[part for part in vars(config).values() if isinstance(part, PretrainedConfig)]]
    for holder in holders:
        value = getattr(holder, name, None)
        if isinstance(value, int):
            return value
        if isinstance(value, (list, tuple)) and value and isinstance(value[0], int):
            return value[0]
    return default


def tensor_for(name: str, config: PretrainedConfig) -> torch.Tensor | None:
    """A plausible input by its name."""
    vocab = min(setting(config, "vocab_size", 64), 64)
    if name in ("input_ids", "decoder_input_ids"):
        return torch.randint(3, max(vocab, 4), (2, TOKENS))
    if name == "pixel_values":
        size = setting(config, "image_size", 32)
        return torch.randn(2, setting(config, "num_channels", 3), size, size)
    if name == "input_values":
        return torch.randn(2, 4000)
    if name == "input_features":
        bins = setting(config, "num_mel_bins", 80)
        frames = 2 * setting(config, "max_source_positions", 64)
        return torch.randn(2, bins, frames)
    if name == "attention_mask":
        return torch.ones(2, TOKENS, dtype=torch.long)
    return None


def entry_names(model: PreTrainedModel) -> list[str]:
    """Names of the parameters of a model's ``forward``."""
    code = getattr(type(model).forward, "__wrapped__", type(model).forward)
    while hasattr(code, "__wrapped__"):
        code = code.__wrapped__
    return list(code.__code__.co_varnames[1 : code.__code__.co_argcount + code.__code__.co_kwonlyargcount])


def input_choices(model: PreTrainedModel) -> Iterator[dict[str, torch.Tensor]]:
    """Sets of inputs to try: the main one, then with the decoder's, then all that are known."""
    names = entry_names(model)
    known = {name: tensor_for(name, model.config) for name in names}
    given = {name: tensor for name, tensor in known.items() if tensor is not None and name != "attention_mask"}
    main = getattr(model, "main_input_name", "input_ids")
    if "input_ids" in given:
        yield {"input_ids": given["input_ids"]}
        if "decoder_input_ids" in given:
            yield {key: given[key] for key in ("input_ids", "decoder_input_ids")}
    if main in given:
        yield {main: given[main]}
        if "decoder_input_ids" in given:
            yield {key: given[key] for key in (main, "decoder_input_ids")}
        if main == "input_features":
            yield {main: given[main].transpose(1, 2).contiguous()}
    if len(given) > 1:
        yield given


CACHES = ("past_key_values", "cache_params", "mems", "state", "past_buckets_states")


def decoding(model: PreTrainedModel, inputs: dict[str, torch.Tensor]) -> dict[str, Any] | None:
    """One further token with the cache that the prompt leaves; None where the model keeps none."""
    names = entry_names(model)
    wish = {"use_cache": True} if "use_cache" in names else {}
    with torch.no_grad():
        output = model(**inputs, **wish)
    cache = next((name for name in CACHES if name in names and getattr(output, name, None) is not None), None)
    text = "decoder_input_ids" if "decoder_input_ids" in inputs else "input_ids"
    if cache is None or text not in inputs:
        return None
    made: dict[str, Any] = {text: inputs[text][:, -1:], cache: getattr(output, cache), **wish}
    memory = getattr(output, "encoder_last_hidden_state", None)
    if text == "decoder_input_ids" and memory is not None and "encoder_outputs" in names:
        made["encoder_outputs"] = (memory,)
    return made


def training(model: PreTrainedModel, inputs: dict[str, torch.Tensor]) -> dict[str, Any] | None:
    """The inputs with labels of the shape that the logits ask for; None where the model takes none."""
    names = entry_names(model)
    if {"start_positions", "end_positions"} <= set(names):
        return {**inputs, "start_positions": torch.ones(2).long(), "end_positions": torch.ones(2).long()}
    if "labels" not in names:
        return dict(inputs)
    with torch.no_grad():
        logits = getattr(model(**inputs), "logits", None)
    if not isinstance(logits, torch.Tensor):
        return dict(inputs)
    shape = logits.shape
    labels = shape[:1] if len(shape) == 2 else (shape[0], *shape[2:]) if len(shape) == 4 else shape[:-1]
    return {**inputs, "labels": torch.zeros(labels, dtype=torch.long)}


def modes_of(model: PreTrainedModel, inputs: dict[str, torch.Tensor]) -> dict[str, list[Edge]]:
    """The calls of a further token with a cache and of a training step, where the model has them."""
    found: dict[str, list[Edge]] = {}
    for mode, prepare in (("decode", decoding), ("train", training)):
        recorder = Recorder()
        try:
            given = prepare(model, inputs)
            if given is None:
                continue
            model.train(mode == "train")
            sys.setprofile(recorder)
            model(**given)
        except Timeout:
            raise
        except Exception as error:
            print(f"{type(model).__name__} {mode}: {type(error).__name__}: {error}"[:200], file=sys.stderr)
            continue
        finally:
            sys.setprofile(None)
            model.eval()
        found[mode] = sorted(recorder.edges, key=lambda edge: (edge[0] != "<entry>", edge))
    return found


class Recorder:
    """A profile function that keeps calls between functions of the model code, and what lies between passed through."""

    def __init__(self) -> None:
        self.edges: set[Edge] = set()
        self.names: dict[types.CodeType, str | None] = {}

    def name(self, code: types.CodeType) -> str | None:
        """``file::qualified.name:first line`` of a named function under ``models/``."""
        if code not in self.names:
            path = Path(code.co_filename)
            inside = path.is_relative_to(ROOT) and not code.co_name.startswith("<")
            self.names[code] = (
                f"{path.relative_to(ROOT).as_posix()}::{code.co_qualname}:{code.co_firstlineno}" if inside else None
            )
        return self.names[code]

    def __call__(self, frame: types.FrameType, event: str, arg: object) -> None:
        if event != "call":
            return
        callee = self.name(frame.f_code)
        if callee is None:
            return
        caller = frame.f_back
        while caller is not None:
            name = self.name(caller.f_code)
            if name is not None:
                self.edges.add((name, callee))
                return
            caller = caller.f_back
        self.edges.add(("<entry>", callee))


def tensors(value: Any, depth: int = 0) -> Iterator[torch.Tensor]:
    """The tensors of an output that can have a gradient."""
    if isinstance(value, torch.Tensor):
        if value.requires_grad and value.is_floating_point():
            yield value
    elif depth < 6 and isinstance(value, dict):
        for item in value.values():
            yield from tensors(item, depth + 1)
    elif depth < 6 and isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors(item, depth + 1)


def record(cls: type[PreTrainedModel], file: str) -> dict[str, Any] | str:
    """One row, or why there is none."""
    why = "no configuration"
    for overrides in candidates(cls):
        try:
            config = cls.config_class(**json.loads(json.dumps(overrides)))
            with torch.device("meta"):
                size = sum(p.numel() for p in cls(config).parameters())
            if size > MAX_PARAMETERS:
                why = f"{size} parameters"
                continue
            torch.manual_seed(0)
            config = cls.config_class(**json.loads(json.dumps(overrides)))
            setattr(config, "_attn_implementation", "eager")  # noqa: B010 - the library's own switch is private
            setattr(config, "_experts_implementation", "eager")  # noqa: B010
            model = cls(config).eval().float()
        except Timeout:
            raise
        except Exception as error:
            why = f"{type(error).__name__}: {error}"[:200]
            continue
        for inputs in input_choices(model):
            recorder = Recorder()
            model.zero_grad(set_to_none=True)
            sys.setprofile(recorder)
            try:
                output = model(**inputs)
            except Timeout:
                raise
            except Exception as error:
                why = f"{type(error).__name__}: {error}"[:200]
                continue
            finally:
                sys.setprofile(None)
            found = list(tensors(output))
            if not found:
                why = "no output with a gradient"
                continue
            try:
                sum(item.float().sum() + (item.float() ** 2).sum() for item in found).backward()
            except Exception as error:
                why = f"{type(error).__name__}: {error}"[:200]
                continue
            named = list(model.named_parameters(remove_duplicate=False))
            live = [name for name, item in named if item.grad is not None]
            return {
                "file": file, "cls": cls.__name__, "config": overrides, "inputs": sorted(inputs),
                "edges": sorted(recorder.edges, key=lambda edge: (edge[0] != "<entry>", edge)), "live": live,
                "no_gradient": [name for name, item in named if item.grad is None],
                "modes": modes_of(model, inputs),
            }  # fmt: skip
    return why


def model_classes(part: int, parts: int) -> Iterator[tuple[str, type[PreTrainedModel]]]:
    """The model classes of each modeling file, with the file's name."""
    for index, path in enumerate(sorted(ROOT.glob("*/modeling_*.py"))):
        if index % parts != part or re.search(r"modeling_(tf|flax)_", path.name):
            continue
        name = f"transformers.models.{path.parent.name}.{path.stem}"
        try:
            module = importlib.import_module(name)
        except Exception as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        for cls in vars(module).values():
            if isinstance(cls, type) and issubclass(cls, PreTrainedModel) and cls.__module__ == name:
                if cls.__name__.endswith("PreTrainedModel") or "forward" not in dir(cls) or not cls.config_class:
                    continue
                yield path.stem, cls


def main() -> None:
    """Record every class that runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--not", dest="known", type=Path, action="append", default=[], help="rows already recorded")
    parser.add_argument("--part", default="0/1")
    parser.add_argument("--seconds", type=int, default=20, help="for one class")
    parser.add_argument(
        "--heads", default=r"Model$|ForCausalLM$|ForMaskedLM$|ForConditionalGeneration$|Classification$"
    )
    args = parser.parse_args()
    part, parts = (int(item) for item in args.part.split("/"))
    known = set()
    for path in args.known:
        with lzma.open(path, "rt") as lines:
            known |= {json.loads(line)["cls"] for line in lines}
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()

    def stop(signum: int, frame: object) -> None:
        raise Timeout

    signal.signal(signal.SIGALRM, stop)
    with args.out.open("w") as out:
        for file, cls in model_classes(part, parts):
            if cls.__name__ in known or not re.search(args.heads, cls.__name__):
                continue
            signal.alarm(args.seconds)
            try:
                row = record(cls, file)
            except Timeout:
                row = "took too long"
            except Exception as error:
                row = f"{type(error).__name__}: {error}"[:200]
            finally:
                signal.alarm(0)
                sys.setprofile(None)
            if isinstance(row, str):
                print(f"{file} {cls.__name__}: {row}", file=sys.stderr, flush=True)
            else:
                out.write(json.dumps(row) + "\n")
                out.flush()


if __name__ == "__main__":
    main()
