"""Records ground truth for a transformers version by really building its models: names and shapes of every parameter.

Run it with a Python that has torch and the transformers to record (nothing here is part of the package):

    PYTHONPATH=unpacked-transformers python benchmarks/make_truth.py parameters-transformers-4.45.2.jsonl.xz

Models are built on the meta device from the configuration's defaults. Where code reads values of tensors while it builds
(``torch.linspace(…).item()``), which the meta device cannot give, tensors are computed and parameters alone stay without data.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import inspect
import json
import lzma
import multiprocessing
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

META_ERRORS = (
    "meta tensor",
    "incompatible tensor type",
    "Cannot copy out of meta",
    "aten::_local_scalar_dense",
    "meta device",
    "Meta",
)
MESSAGE = 400
"""Characters kept of an error."""


@contextlib.contextmanager
def data_without_parameters() -> Iterator[None]:
    """Compute tensors, but keep no parameter's data, and initialise nothing."""
    import torch

    names = [name for name in dir(torch.nn.init) if name.endswith("_") and not name.startswith("_")]
    kept = {name: getattr(torch.nn.init, name) for name in names}
    register = torch.nn.Module.register_parameter

    def registered(module: Any, name: str, parameter: Any) -> None:
        if parameter is not None and parameter.device.type != "meta":
            moved = torch.nn.Parameter(parameter.data.to("meta"), requires_grad=parameter.requires_grad)
            register(module, name, moved)
        else:
            register(module, name, parameter)

    try:
        for name in names:
            setattr(torch.nn.init, name, lambda tensor, *args, **kwargs: tensor)
        torch.nn.Module.register_parameter = registered
        yield
    finally:
        for name, function in kept.items():
            setattr(torch.nn.init, name, function)
        torch.nn.Module.register_parameter = register


def built(cls: Any, config: Any) -> Any:
    """An instance without data."""
    return built_by(lambda: cls(config))


def built_by(make: Callable[[], Any]) -> Any:
    """What a function builds, without data."""
    import torch

    try:
        with torch.device("meta"):
            return make()
    except (NotImplementedError, RuntimeError) as error:
        if not any(mark in str(error) for mark in META_ERRORS):
            raise
    with data_without_parameters():
        return make()


def config_of(cls: Any) -> Any:
    """The configuration class of a model class."""
    found = getattr(cls, "config_class", None)
    if found is None:
        parameters = list(inspect.signature(cls.__init__).parameters.values())
        annotation = parameters[1].annotation if len(parameters) > 1 else None
        found = annotation if inspect.isclass(annotation) and annotation is not inspect.Parameter.empty else None
    return found


def tied(model: Any) -> Any:
    """The model as it is on a device that holds data: the first releases 5 do not tie weights on the meta device."""
    import transformers

    if transformers.__version__.startswith("5.") and hasattr(model, "all_tied_weights_keys"):
        model.tie_weights(recompute_mapping=False)
    return model


def row(family: str, file: str, cls: Any) -> dict[str, Any]:
    """One class."""
    start: dict[str, Any] = {"family": family, "file": file, "cls": cls.__name__, "config": None}
    try:
        config_class = config_of(cls)
        start["config"] = getattr(config_class, "__name__", None)
        model = tied(built(cls, config_class()))
    except Exception as error:
        return {**start, "error": f"{type(error).__name__}: {error}"[:MESSAGE]}
    params = {name: list(tensor.shape) for name, tensor in model.named_parameters(remove_duplicate=False)}
    return {**start, "params": params, "n": sum(tensor.numel() for tensor in model.parameters())}


def rows_of(path: str) -> list[dict[str, Any]]:
    """The rows of one modeling file."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    warnings.simplefilter("ignore")
    import transformers

    transformers.logging.set_verbosity_error()
    root = Path(transformers.__file__).parent
    file = Path(path).relative_to(root)
    family = file.parent.name
    try:
        module = importlib.import_module(".".join(("transformers", *file.with_suffix("").parts)))
    except Exception as error:
        print(f"{file}: {type(error).__name__}: {error}", file=sys.stderr)
        return []
    found = []
    for value in list(vars(module).values()):
        if (
            inspect.isclass(value)
            and issubclass(value, transformers.PreTrainedModel)
            and value.__module__ == module.__name__
        ):
            entry = row(family, file.as_posix(), value)
            if entry["config"] is not None or "params" in entry:
                found.append(entry)  # a class that names no configuration cannot be built from one
    return found


def hashed(name: str) -> str:
    """What a file is chosen by, so that nobody's eye chooses."""
    return hashlib.sha256(name.encode()).hexdigest()


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description="record ground truth of the importable transformers")
    parser.add_argument("output", type=Path, help="a file *.jsonl or *.jsonl.xz")
    parser.add_argument("--family", action="append", default=[], help="only this family; may be given several times")
    parser.add_argument(
        "--files", type=int, default=0, metavar="N", help="only N files, chosen by the hash of their names"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    import transformers

    root = Path(transformers.__file__).parent
    files = [
        str(path)
        for path in sorted((root / "models").glob("**/modeling_*.py"))
        if not path.name.startswith(("modeling_tf_", "modeling_flax_"))
        and (not given.family or path.parent.name in given.family)
    ]
    if given.files:
        files = sorted(sorted(files, key=lambda path: hashed(Path(path).name))[: given.files])
    print(f"transformers {transformers.__version__}, {len(files)} files", file=sys.stderr)
    count = 0
    opener: Any = lzma.open if given.output.suffix == ".xz" else open
    with multiprocessing.Pool(given.jobs, maxtasksperchild=20) as pool, opener(given.output, "wt") as stream:
        for found in pool.imap(rows_of, files):
            for entry in found:
                stream.write(json.dumps(entry, separators=(",", ":")) + "\n")
                count += 1
    print(f"{count} classes", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
