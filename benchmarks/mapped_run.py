"""Builds two implementations, carries random weights over as `compare` says, runs both; a job as JSON on standard input.

Part of `mapped.py`; needs torch and transformers, and runs the code of the checkouts. Packages that those import and that
are not needed for the plain path (kernels, tokenizers, loggers) are stand-ins.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import json
import re
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import torch
from torch import nn

torch.set_num_threads(1)
Names = Sequence[str]
_ROTATED = re.compile(
    r"interleaved row 2i is half row i and row 2i\+1 is row i\+(\d+) \(.* the (left|right) side is half\)"
)


class _StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Modules that are not installed, as mocks; only those that are named."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.partition(".")[0] not in self.names:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: Any) -> Any:
        made = types.ModuleType(spec.name)
        made.__path__ = []
        made.__getattr__ = lambda name: MagicMock(name=name) if not name.startswith("__") else _raise(name)  # type: ignore[method-assign]
        return made

    def exec_module(self, module: Any) -> None:
        """Nothing to run."""


def _raise(name: str) -> Any:
    raise AttributeError(name)


def _load(folder: Path, module: str, *stand_ins: str, package: bool = False) -> Any:
    """A module of a checkout; with ``package``, without running its package's own ``__init__``."""
    sys.meta_path.append(_StandIns(*stand_ins))
    sys.path.insert(0, str(folder))
    if package:
        name = module.partition(".")[0]
        made = types.ModuleType(name)
        made.__path__ = [str(folder / name)]
        sys.modules[name] = made
    return importlib.import_module(module)


def _gpt_oss(job: Any, root: Path) -> Any:
    made = _load(root / "gpt-oss", "gpt_oss.torch.model", "tiktoken", "openai_harmony")
    model = made.Transformer(made.ModelConfig(**job["right_settings"]), device=torch.device("cpu")).float()
    return model, lambda tokens: torch.stack([model(row) for row in tokens])


def _deepseek(job: Any, root: Path) -> Any:
    made = _load(root / "DeepSeek-V3/inference", "model", "triton")
    made.Linear.dtype = torch.float32
    args = made.ModelArgs(**job["right_settings"])
    made.Linear.dtype = torch.float32
    model = made.Transformer(args)
    return model.float(), lambda tokens: torch.stack([model(tokens[:, : n + 1], 0) for n in range(tokens.shape[1])], 1)


def _llama(job: Any, root: Path) -> Any:
    layers = types.ModuleType("fairscale.nn.model_parallel.layers")

    class Parallel(nn.Linear):
        def __init__(self, size: int, out: int, bias: bool = True, **kwargs: Any) -> None:
            super().__init__(size, out, bias=bias)

    class Embedding(nn.Embedding):
        def __init__(self, count: int, size: int, **kwargs: Any) -> None:
            super().__init__(count, size)

    layers.ColumnParallelLinear = layers.RowParallelLinear = Parallel  # type: ignore[attr-defined]
    layers.VocabParallelEmbedding = Embedding  # type: ignore[attr-defined]
    start = types.ModuleType("fairscale.nn.model_parallel.initialize")
    start.get_model_parallel_world_size = lambda: 1  # type: ignore[attr-defined]
    for name in ("fairscale", "fairscale.nn", "fairscale.nn.model_parallel"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["fairscale.nn"].model_parallel = sys.modules["fairscale.nn.model_parallel"]  # type: ignore[attr-defined]
    sys.modules["fairscale.nn.model_parallel"].initialize = start  # type: ignore[attr-defined]
    sys.modules |= {layers.__name__: layers, start.__name__: start}
    kept = torch.Tensor.cuda, torch.zeros
    torch.Tensor.cuda = lambda self, *a, **k: self  # type: ignore[method-assign]
    package = types.ModuleType("llama3")
    package.__path__ = [str(root / "llama-models/models/llama3")]
    sys.modules["llama3"] = package
    made = importlib.import_module("llama3.model")
    model = made.Transformer(importlib.import_module("llama3.args").ModelArgs(**job["right_settings"]))
    torch.Tensor.cuda = kept[0]  # type: ignore[method-assign]
    return model, lambda tokens: model(tokens, 0)


def _gemma(job: Any, root: Path) -> Any:
    made = _load(
        root / "gemma_pytorch", "gemma.model", "immutabledict", "PIL", "torchvision", "sentencepiece", package=True
    )
    settings = importlib.import_module("gemma.config")
    config = settings.GemmaConfig(**job["right_settings"], dtype="float32")
    made.tokenizer.Tokenizer = MagicMock()
    model = made.GemmaForCausalLM(config)

    def call(tokens: torch.Tensor) -> torch.Tensor:
        count, length = tokens.shape
        mask = torch.triu(torch.full((1, 1, length, length), -2.3819763e38), 1)
        caches = [
            tuple(torch.zeros(count, length, config.num_key_value_heads, config.head_dim) for _ in range(2))
            for _ in range(config.num_hidden_layers)
        ]
        positions = torch.arange(length)
        hidden = model.embedder(tokens) * config.hidden_size**0.5
        names = model.model.forward.__code__.co_varnames[1 : model.model.forward.__code__.co_argcount]
        turns = model.local_freqs_cis if hasattr(model, "local_freqs_cis") else model.freqs_cis
        given = {"hidden_states": hidden, "kv_write_indices": positions, "kv_caches": caches, "mask": mask, "local_mask": mask,
                 "freqs_cis": {settings.AttentionType.LOCAL_SLIDING: turns[:length], settings.AttentionType.GLOBAL: turns[:length]}}  # fmt: skip
        return model.model(**{name: given[name] for name in names}) @ model.embedder.weight.T

    return model, call


def _nano(job: Any, root: Path) -> Any:
    made = _load(root / "nanoGPT", "model")
    model = made.GPT(made.GPTConfig(**job["right_settings"], dropout=0.0))
    return model, lambda tokens: model(tokens, tokens)[0]


def _litgpt(job: Any, root: Path) -> Any:
    made = _load(
        root / "litgpt", "litgpt.model", "lightning", "lightning_utilities", "jsonargparse", "psutil", package=True
    )
    config = importlib.import_module("litgpt.config").Config(**job["right_settings"])
    model = made.GPT(config)
    return model, lambda tokens: model(tokens)


def _whisper(job: Any, root: Path) -> Any:
    made = _load(root / "whisper", "whisper.model", "tiktoken", "numba", package=True)
    model = made.Whisper(made.ModelDimensions(**job["right_settings"]))
    return model, lambda tokens: model(_spectrum(job), tokens)


def _spectrum(job: Any) -> torch.Tensor:
    settings = job["right_settings"]
    return torch.randn(2, settings["n_mels"], 2 * settings["n_audio_ctx"], generator=torch.Generator().manual_seed(3))


RIGHT: dict[str, Callable[[Any, Path], Any]] = {
    "gpt_oss": _gpt_oss, "deepseek": _deepseek, "llama": _llama, "gemma": _gemma, "nano": _nano,
    "litgpt": _litgpt, "whisper": _whisper,
}  # fmt: skip


def _left(job: Any) -> Any:
    import transformers  # noqa: PLC0415

    cls = getattr(transformers, job["left"].partition("::")[2])
    config = cls.config_class(**job["left_settings"], attn_implementation="eager")
    model = cls(config).float().eval()
    if job["run"] == "whisper":
        return model, lambda tokens: model(input_features=_spectrum(job), decoder_input_ids=tokens).logits
    return model, lambda tokens: model(tokens).logits


def _randomised(model: nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_floating_point() and (tensor.requires_grad or "correction_bias" in name):
            noise = torch.randn(tensor.shape, generator=generator)
            tensor.data.copy_(
                noise * (0.3 if tensor.dim() == 1 else tensor.shape[-1] ** -0.5) + (tensor.dim() == 1) * tensor.data
            )


def carry(job: Any, left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> None:
    """Write each pair's left tensors into its right ones."""
    for names, others, relation, how in job["pairs"]:
        values = [left[name] for name in names]
        into = [right[name] for name in others]
        match relation:
            case "same":
                made = values
            case "transposed" | "permuted":
                made = [
                    value.transpose(-1, -2) if relation == "transposed" or "transposed" in how else value
                    for value in values
                ]
            case "reshaped":
                made = [value.reshape(target.shape) for value, target in zip(values, into, strict=True)]
            case "fused":
                turned = "transposed" in how
                groups = re.search(r" in each of (\d+) groups", how)
                parts = [value.T if turned and value.dim() > 1 else value for value in _turn(job, values, how)]
                count = int(groups[1]) if groups is not None else 1
                whole = torch.cat([part.reshape(count, -1, *part.shape[1:]) for part in parts], 1)
                made = [whole.reshape(-1, *whole.shape[2:])]
            case "split":
                made = _split(values, into, how)
            case "unstacked":
                made = [value.T if "transposed" in how else value for value in values[0]]
            case "stacked":
                made = [torch.stack([value.T if "transposed" in how else value for value in values])]
            case _:
                raise ValueError(f"no way to carry {relation}: {how}")
        if relation != "fused":
            made = _turn(job, made, how)
        for value, target in zip(made, into, strict=True):
            target.data.copy_(value)


def _split(values: list[torch.Tensor], into: list[torch.Tensor], how: str) -> list[torch.Tensor]:
    """The rows of one tensor for several; of a stack, each expert's."""
    if "of them stacked" in how:
        whole = values[0].transpose(-1, -2) if "transposed" in how else values[0]
        parts = len(into) // whole.shape[0]
        sizes = [into[index * whole.shape[0]].shape[0] for index in range(parts)]
        pieces = whole.split(sizes, -2)
        return [piece for stack in pieces for piece in stack]
    whole = values[0].T if "transposed" in how else values[0]
    return list(whole.split([target.shape[0] for target in into], 0))


def _turn(job: Any, values: list[torch.Tensor], how: str) -> list[torch.Tensor]:
    """Half rotation's rows as interleaved ones, or back, in the query and key projections."""
    match = _ROTATED.search(how)
    if match is None:
        return values
    half, width = int(match[1]), 2 * int(match[1])
    order = torch.arange(width).view(2, half).T.reshape(-1)  # interleaved row 2i is half row i
    if match[2] == "right":
        order = torch.argsort(order)
    head = job["head_dim"] or width

    def turned(value: torch.Tensor) -> torch.Tensor:
        heads = value.reshape(-1, head, *value.shape[1:]).clone()
        heads[:, :width] = heads[:, :width][:, order]
        return heads.reshape(value.shape)

    # Of fused ones the value projection is not rotated: it is the last of three.
    return [value if len(values) == 3 and index == 2 else turned(value) for index, value in enumerate(values)]  # noqa: PLR2004


def main() -> None:
    job = json.load(sys.stdin)
    torch.manual_seed(0)
    one, call_one = _left(job)
    other, call_other = RIGHT[job["run"]](job, Path(job["checkouts"]))
    other = other.eval()
    _randomised(one)
    lefts = dict([*one.named_parameters(remove_duplicate=False), *one.named_buffers(remove_duplicate=False)])
    rights = dict([*other.named_parameters(remove_duplicate=False), *other.named_buffers(remove_duplicate=False)])
    with torch.no_grad():
        carry(job, lefts, rights)
        tokens = torch.randint(3, 90, (2, 12), generator=torch.Generator().manual_seed(1))
        first, second = call_one(tokens).float(), call_other(tokens).float()
    print(json.dumps({"difference": float((first - second).abs().max()), "largest": float(first.abs().max())}))


if __name__ == "__main__":
    main()
