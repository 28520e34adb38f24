"""Records with torch the shapes and dtypes of what model classes return for the inputs that the analyser chose.

Needs torch and transformers, unlike the package. ``python benchmarks/make_outputs.py ROWS.jsonl OUT.jsonl`` takes
rows written by ``benchmarks/forward.py --rows``: their inputs, symbols replaced by numbers, go into the class built
from its configuration's defaults on torch's meta device (shapes without data), or, where the code looks at data, into
a really computed one, with fewer layers, when it is small.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import signal
import sys
from pathlib import Path
from typing import Any

import torch
import transformers

SYMBOLS = {
    "batch": 2, "sequence": 13, "target_sequence": 7, "query_sequence": 5,
    "source_sequence": 11,
}  # fmt: skip
LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers", "decoder_layers", "depth")
MAX_PARAMETERS = 250_000_000
DATA = re.compile(
    r"meta|data-dependent|Cannot copy out|FakeTensor|aten::(_local_scalar_dense|nonzero|equal)", re.IGNORECASE
)


OTHER = 6
"""The number for any other symbol (a count that only a docstring names)."""


class Timeout(Exception):
    """Indicates that a class took too long."""


def size_of(text: str) -> int:
    """A size with the symbols replaced."""
    for name, value in sorted(SYMBOLS.items(), key=lambda item: -len(item[0])):
        text = re.sub(rf"\b{name}\b", str(value), text)
    text = re.sub(r"\b(?!floor|max|min|mod)[a-z_]+(?:_\d+)?\b", str(OTHER), text)
    return int(text) if text.isdigit() else int(eval(text))  # noqa: S307 - our own rows: sums and products of numbers


def tensor_of(entry: list[Any], device: str) -> Any:
    """The input a row describes."""
    shape, dtype, values = entry
    if dtype == "value":
        return values
    if dtype == "list":
        return [tensor_of(item, device) for item in values]
    kind = getattr(torch, dtype)
    if values is not None:
        return torch.tensor(values, dtype=kind, device=device)
    sizes = [size_of(size) for size in shape]
    if kind.is_floating_point:
        return torch.randn(sizes, dtype=kind, device=device)
    return torch.ones(sizes, dtype=kind, device=device)


def outputs_of(value: Any, name: str = "", depth: int = 0) -> dict[str, list[Any]]:
    """Shapes and dtypes by name, numbered within lists."""
    if isinstance(value, torch.Tensor):
        return {name or "output": [list(value.shape), str(value.dtype).removeprefix("torch.")]}
    found: dict[str, list[Any]] = {}
    if depth > 6:
        return found
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    for key, item in items:
        found.update(outputs_of(item, f"{name}.{key}" if name else str(key), depth + 1))
    return found


def smaller(config: Any, depth: int = 0) -> None:
    """Fewer layers, in place."""
    for name, value in list(vars(config).items()):
        if isinstance(value, transformers.PretrainedConfig) and depth < 4:
            smaller(value, depth + 1)
        elif name in LAYERS and isinstance(value, int) and value > 2:
            setattr(config, name, 2)
        elif name in ("layer_types", "mlp_layer_types") and isinstance(value, list):
            setattr(config, name, value[:2])


def eager(config: Any) -> Any:
    """The configuration with the attention and experts the analyser follows by default."""
    setattr(config, "_attn_implementation", "eager")  # noqa: B010 - the library's own switch is private
    setattr(config, "_experts_implementation", "eager")  # noqa: B010
    return config


def run(cls: Any, inputs: dict[str, Any], device: str) -> dict[str, list[Any]]:
    """Build and run on a device."""
    config = eager(cls.config_class())
    if device == "cpu":
        smaller(config)
        with torch.device("meta"):
            size = sum(p.numel() for p in cls(config).parameters())
        if size > MAX_PARAMETERS:
            raise MemoryError(f"{size} parameters")
        config = eager(cls.config_class())
        smaller(config)
    with torch.device(device), torch.no_grad():
        model = cls(config).eval()
        return outputs_of(model(**{name: tensor_of(entry, device) for name, entry in inputs.items()}))


def record(row: dict[str, Any]) -> dict[str, Any]:
    """One row of truth."""
    name = row["class"]
    made = {"family": row["family"], "class": name, "inputs": row["inputs"]}
    try:
        cls = getattr(importlib.import_module(row["module"]), name)
        try:
            return {**made, "outputs": run(cls, row["inputs"], "meta"), "device": "meta"}
        except (RuntimeError, NotImplementedError, ValueError, TypeError, IndexError) as error:
            if not DATA.search(str(error)):
                raise
            return {**made, "outputs": run(cls, row["inputs"], "cpu"), "device": "cpu"}
    except Timeout:
        raise
    except Exception as error:
        return {**made, "error": f"{type(error).__name__}: {error}"[:300]}


def main() -> None:
    """Record every row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=int, default=40, help="for one class")
    args = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()

    def stop(signum: int, frame: object) -> None:
        raise Timeout

    signal.signal(signal.SIGALRM, stop)
    with args.out.open("a") as out:
        for line in args.rows.read_text().splitlines():
            row = json.loads(line)
            if "inputs" not in row:
                continue
            signal.alarm(args.seconds)
            try:
                made = record(row)
            except Timeout:
                made = {"family": row["family"], "class": row["class"], "inputs": row["inputs"], "error": "too long"}
            finally:
                signal.alarm(0)
            out.write(json.dumps(made) + "\n")
            out.flush()


if __name__ == "__main__":
    sys.exit(main())
