"""Holds checkpoints against code: finds the class that a checkpoint is for, builds it, and compares."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from specdiff.errors import Problem, TargetError
from specdiff.graph.modules import Collector, sizes, tied_pairs
from specdiff.interp.lookups import lookup
from specdiff.interp.objects import ClassVal, Instance
from specdiff.interp.values import Unknown
from specdiff.options import Options
from specdiff.pipeline import config_values
from specdiff.project.build import Built, Entry, build, model_classes
from specdiff.project.targets import Target, resolve
from specdiff.session import Session
from specdiff.weights import headers
from specdiff.weights.compare import compare
from specdiff.weights.elsewhere import explained
from specdiff.weights.model import Checkpoint, WeightsResult
from specdiff.weights.replaced import replace_modules
from specdiff.weights.rules import Rules


def weights(
    path: Path,
    target: str | None = None,
    options: Options = Options(),  # noqa: B008 - frozen
    session: Session | None = None,
) -> WeightsResult:
    """Hold a checkpoint's headers against the parameters that the code builds.

    Args:
        path: A folder, a `*.safetensors` file or an index.
        target: The code; None takes the model type and the architecture that the folder's `config.json` names.
        options: The run; its configuration goes before the folder's.
        session: One to share what was read of the library with.

    Raises:
        SpecdiffError: there is no checkpoint or no such code, or the class cannot be built.
    """
    checkpoint = headers.read(path)
    text = target or _target_of(checkpoint.config, path)
    session = session or Session(options)
    for item in resolve(text, options.classes):
        config = dict(checkpoint.config) if checkpoint.config is not None else None
        result = held(checkpoint, item, text, config, session, options)
        if result is not None:
            return result
    raise TargetError(
        Problem(text, 0, 0, "there is no model class to hold the checkpoint against; name one with ::Class")
    )


def held(
    checkpoint: Checkpoint,
    item: Target,
    text: str,
    config: dict[str, Any] | None,
    session: Session,
    options: Options,
) -> WeightsResult | None:
    """A checkpoint held against one file of code; None where that has no model class.

    Args:
        checkpoint: What the headers say.
        item: The file.
        text: What the result calls it.
        config: The published configuration; None takes the target's own.
        session: What was read of the library.
        options: The run.

    Raises:
        SpecdiffError: the class cannot be built.
    """
    program = session.program(item)
    values = config_values(item, options, config)
    module = program.module(item.module)
    if isinstance(module, Unknown):
        return None
    entries = model_classes(program, module, item.classes)
    wanted = _wanted(entries, values)
    if wanted is None:
        return None
    built = build(program, item, wanted, values)
    inner = _own_part(built, values)
    if inner is not None:
        built = build(program, item, wanted, inner)
    if built.instance is None:
        assert built.failure is not None
        message = f"{wanted.name} cannot be built: {built.failure.kind}: {built.failure.message}"
        raise TargetError(Problem(wanted.file, wanted.line, 0, message))
    replaced = replace_modules(program, built, checkpoint.config)
    collector = Collector()
    parameters = collector.parameters(built.instance)
    shapes = {each.name: each.shape for each in parameters}
    buffers = {name: (sizes(tensor), saved) for name, tensor, saved in collector.buffers(built.instance)}
    rules = Rules(program, built, [*shapes, *buffers])
    rules.notes += dict.fromkeys(replaced)
    if checkpoint.config is not None and (foreign := _foreign_type(built, checkpoint.config)):
        rules.notes.append(foreign)
    dtype = values.get("dtype") or values.get("torch_dtype")
    result = compare(
        checkpoint,
        rules,
        shapes,
        buffers,
        tied_pairs(parameters),
        dtype if isinstance(dtype, str) else None,
        text if "::" in text else f"{text}::{wanted.name}",
        wanted.name,
    )
    others = [each for each in model_classes(program, module, ()) if isinstance(each, ClassVal) and each is not wanted]
    result = explained(result, shapes, buffers, values, others, program, item)
    if program.cache is not None:
        program.cache.flush()
    program.forget_models()
    return result


def _target_of(config: dict[str, object] | None, path: Path) -> str:
    """The target that a published configuration names."""
    model_type = (config or {}).get("model_type")
    architectures = (config or {}).get("architectures")
    if not isinstance(model_type, str):
        raise TargetError(Problem(str(path), 0, 0, "no config.json beside it names a model_type; give the target"))
    name = architectures[0] if isinstance(architectures, list) and architectures else ""
    return f"{model_type}::{name}" if name else model_type


def _own_part(built: Built, values: dict[str, Any]) -> dict[str, Any] | None:
    """Of a configuration of several models, the part that one of them has; None where all of it is the class's own.

    As the library takes it (transformers, `PreTrainedConfig.from_pretrained`): what stands under the configuration class's
    `base_config_key`, else, where the model type is another's, the part of the class's own model type.
    """
    config = built.config
    if not isinstance(config, Instance):
        return None
    key, own = lookup(config.cls, "base_config_key")[0], lookup(config.cls, "model_type")[0]
    part = values.get(key) if isinstance(key, str) and key else None
    if not isinstance(part, dict) and own and values.get("model_type") != own:
        parts = (each for each in values.values() if isinstance(each, dict) and each.get("model_type") == own)
        part = next(parts, None)
    return {"architectures": values.get("architectures"), **part} if isinstance(part, dict) else None


def _foreign_type(built: Built, published: dict[str, object]) -> str:
    """What is to be said where the published model type is not that of the code it is held against; the code's own counts then.

    The library chooses conversion rules by the configuration's model type (`conversion_mapping.py`,
    `extract_weight_conversions_for_model`), so that it would choose none for a name of the publisher's.
    """
    told = published.get("model_type")
    config = built.config
    if _own_part(built, published) is not None:
        return ""  # the configuration of several models, of which this is one
    own = lookup(config.cls, "model_type")[0] if isinstance(config, Instance) else None
    if not isinstance(told, str) or not isinstance(own, str) or not own or told == own:
        return ""
    assert isinstance(config, Instance)
    config.attrs["model_type"] = own
    return f"config.json says model_type {told}, the code is {own}: the library applies {own}'s conversion rules only where it says {own}"


def _wanted(entries: Sequence[Entry], values: dict[str, Any]) -> ClassVal | None:
    """The class that the configuration's `architectures` name, else the last one that is no base class."""
    classes = [entry for entry in entries if isinstance(entry, ClassVal)]
    named = values.get("architectures")
    for name in named if isinstance(named, list) else ():
        for cls in classes:
            if cls.name == name:
                return cls
    heads = [cls for cls in classes if cls.name.endswith(("ForCausalLM", "ForConditionalGeneration"))]
    models = heads or [cls for cls in classes if not cls.name.endswith("PreTrainedModel")]
    return models[0] if models else None
