"""Records what the library really saves: small random models through `save_pretrained`, as headers and configuration.

Needs torch, safetensors and transformers, unlike the package. ``python benchmarks/make_checkpoints.py OUT.jsonl.xz`` takes six
families of each kind of `families.py`, chosen by digest, and as many again of those for which the library has rules that rename or
convert on loading. A model is saved twice: under the names that its publisher uses (the library turns its rules round,
`save_original_format`), and under those of its code.
"""

from __future__ import annotations

import argparse
import importlib
import json
import lzma
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from families import chosen, digest
from make_calls import MAX_PARAMETERS, ROOT, candidates
from transformers.conversion_mapping import _build_checkpoint_conversion_mapping

HEADS = ("ForCausalLM", "ForConditionalGeneration", "ForMaskedLM", "ForImageClassification", "ForCTC", "ForPreTraining")
PER_KIND = 6
WITH_RULES = 40


def families() -> list[str]:
    """The chosen families, each once."""
    there = {path.parent.name for path in ROOT.glob("*/modeling_*.py")}
    ruled = sorted(
        (name for name in _build_checkpoint_conversion_mapping() if name in there),
        key=lambda name: digest("rules", name),
    )
    return list(dict.fromkeys([*chosen(PER_KIND), *ruled[:WITH_RULES]]))


def classes(family: str) -> Iterator[Any]:
    """The class with a head and the base model of a family."""
    found: dict[str, Any] = {}
    for path in sorted((ROOT / family).glob("modeling_*.py")):
        module = importlib.import_module(f"transformers.models.{family}.{path.stem}")
        for value in vars(module).values():
            if (
                isinstance(value, type)
                and issubclass(value, transformers.PreTrainedModel)
                and value.__module__ == module.__name__
            ):
                found.setdefault(value.__name__, value)
    heads = [cls for name in HEADS for each, cls in found.items() if each.endswith(name)]
    bases = [
        cls
        for name, cls in found.items()
        if name.endswith("Model") and not name.endswith("PreTrainedModel") and cls.config_class
    ]
    yield from heads[:1]
    bases = [cls for cls in bases if not heads or cls.config_class is heads[0].config_class]
    yield from bases[:1]


def built(cls: Any) -> Any:
    """A model of the smallest configuration that it accepts."""
    error: Exception | None = None
    for overrides in candidates(cls):
        try:
            config = cls.config_class(**overrides)
            with torch.device("meta"):
                size = sum(each.numel() for each in cls(config).parameters())
            if size > MAX_PARAMETERS // 4:
                error = MemoryError(f"{size:,} parameters")
                continue
            return cls(cls.config_class(**overrides))
        except Exception as raised:  # the next configuration
            error = raised
    assert error is not None
    raise error


def header(path: Path) -> dict[str, list[Any]]:
    """A safetensors file's entries: dtype and shape by name."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        entries = json.loads(file.read(length))
    return {name: [entry["dtype"], entry["shape"]] for name, entry in entries.items() if name != "__metadata__"}


def saved(model: Any, original: bool) -> dict[str, Any]:
    """What `save_pretrained` writes."""
    with tempfile.TemporaryDirectory() as name:
        model.save_pretrained(name, save_original_format=original)
        (file,) = Path(name).glob("*.safetensors")
        return {"config": json.loads((Path(name) / "config.json").read_text()), "tensors": header(file)}


def rows(family: str) -> Iterator[dict[str, Any]]:
    """A row per class and way of saving; the publisher's names only where they are others."""
    for cls in classes(family):
        start = {"family": family, "class": cls.__name__}
        try:
            model = built(cls)
            own = saved(model, original=False)
            yield {**start, "names": "own", **own}
            published = saved(model, original=True)
            if published["tensors"] != own["tensors"]:
                yield {**start, "names": "published", **published}
        except Exception as error:
            yield {**start, "error": f"{type(error).__name__}: {error}"[:300]}


def main() -> None:
    """Record every family."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--family", action="append", default=[])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    opener: Any = lzma.open if arguments.output.suffix == ".xz" else open
    with opener(arguments.output, "wt") as stream:
        for family in arguments.family or families():
            for row in rows(family):
                stream.write(json.dumps(row, separators=(",", ":")) + "\n")
                print(family, row["class"], row.get("error") or len(row["tensors"]), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
