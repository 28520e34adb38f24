"""The inputs of the modes that follow a prompt: one new token with a cache, and a training step with labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from specdiff.interp.objects import MISSING, ClassVal, Instance, ModuleVal, Value
from specdiff.interp.run import Run
from specdiff.interp.values import Tensor
from specdiff.project.inputs import Inputs, entry_of
from specdiff.project.sizes import BATCH

MODES = ("prefill", "decode", "train")
PADDED = "padded"
"""A prompt with a mask over its padding; not among the modes that a person asks for."""
CACHES = ("past_key_values", "cache_params", "past_key_value", "mems", "state", "past_buckets_states")
"""Names under which models hand their cache out and take it back."""
_POSITIONS = frozenset({"start_positions", "end_positions"})


def cached(cls: ClassVal, run: Run, inputs: Inputs) -> Inputs:
    """The prompt's inputs with the wish to keep a cache."""
    forward = entry_of(cls)
    plan = run.plan_of(forward) if forward is not None else None
    if plan is not None and "use_cache" in (*plan.names, *plan.kwonly):
        return {**inputs, "use_cache": True}
    return dict(inputs)


def without_cache(cls: ClassVal, run: Run, inputs: Inputs) -> Inputs | None:
    """The prompt's inputs with the wish to keep none; None where the entry takes no such wish or was given one."""
    forward = entry_of(cls)
    plan = run.plan_of(forward) if forward is not None else None
    if plan is None or "use_cache" not in (*plan.names, *plan.kwonly) or "use_cache" in inputs:
        return None
    return {**inputs, "use_cache": False}


def takes_cache(run: Run, root: Instance, path: str) -> bool:
    """Whether a module is given a cache, going by the names that its ``forward`` has for what it takes."""
    module: Value = root
    for name in path.split(".") if path else ():
        module = (module.attrs.get("_modules") or {}).get(name) if isinstance(module, Instance) else None
    forward = entry_of(module.cls) if isinstance(module, Instance) else None
    if forward is None:
        return True  # not known
    plan = run.plan_of(forward)
    names = (*plan.names, *plan.kwonly)
    return any(name in CACHES or "cache" in name or "past" in name for name in names)


def next_token(cls: ClassVal, run: Run, inputs: Inputs, outputs: Value) -> Inputs | None:
    """One further token and the cache that the prompt left; None where there is no cache."""
    forward = entry_of(cls)
    if forward is None:
        return None
    plan = run.plan_of(forward)
    names = (*plan.names, *plan.kwonly)
    found = next(((name, value) for name in CACHES if (value := part_of(outputs, name)) is not None), None)
    if found is None or found[0] not in names:
        return None
    for tensor in tensors_below(found[1], 0, set()):
        tensor.node = None  # made by the run before, so a source in this one
    made: Inputs = {found[0]: found[1], **({"use_cache": True} if "use_cache" in names else {})}
    text = "decoder_input_ids" if "decoder_input_ids" in inputs else "input_ids"
    if text not in inputs:
        return None
    prompt = inputs[text]
    batch, *rest = prompt.shape if isinstance(prompt, Tensor) and prompt.shape else (BATCH,)
    made[text] = Tensor((batch, 1, *rest[1:]), "int64")  # some tokens are several numbers, one a codebook
    memory = part_of(outputs, "encoder_last_hidden_state")
    if text == "decoder_input_ids" and memory is not None and "encoder_outputs" in names:
        memory.node = None
        made["encoder_outputs"] = _encoded(cls, run, memory)
    return made


def _encoded(cls: ClassVal, run: Run, memory: Value) -> Value:
    """What an encoder hands out: transformers' own generation passes it on as a `BaseModelOutput`, which reads as a tuple, too."""
    if any(isinstance(base, ClassVal) and base.name == "PreTrainedModel" for base in cls.mro):
        outputs = run.loader.module("transformers.modeling_outputs")
        made = outputs.get("BaseModelOutput") if isinstance(outputs, ModuleVal) else MISSING
        if isinstance(made, ClassVal):
            return run.call(made, (), {"last_hidden_state": memory})
    return (memory,)


def beside_text(inputs: Inputs, follow: Inputs) -> Inputs | None:
    """A further token with what the prompt had beside text (pictures, sound), for code that asks for it at every step; None for no more."""
    text = {"attention_mask", "decoder_attention_mask", "position_ids", "input_ids", "inputs_embeds", "labels"}
    others = {name: value for name, value in inputs.items() if name not in text and name not in follow}
    return {**others, **follow} if others and "encoder_outputs" not in follow else None


_MASKS = (
    ("input_ids", "attention_mask"),
    ("input_values", "attention_mask"),
    ("input_features", "attention_mask"),
    ("decoder_input_ids", "decoder_attention_mask"),
)


def padded(cls: ClassVal, run: Run, inputs: Inputs) -> Inputs:
    """The prompt's inputs with a mask over its padding, where the entry takes one."""
    forward = entry_of(cls)
    if forward is None:
        return dict(inputs)
    plan = run.plan_of(forward)
    names = {*plan.names, *plan.kwonly}
    made = dict(inputs)
    for text, mask in _MASKS:
        prompt = inputs.get(text)
        if mask in names and mask not in made and isinstance(prompt, Tensor) and prompt.shape is not None:
            made[mask] = Tensor(prompt.shape[:2], "int64")
    return made


def labelled(cls: ClassVal, run: Run, inputs: Inputs, outputs: Value) -> Inputs | None:
    """The prompt's inputs with labels of the shape that the logits ask for; None where the entry takes none."""
    forward = entry_of(cls)
    if forward is None:
        return None
    plan = run.plan_of(forward)
    names = {*plan.names, *plan.kwonly}
    if names >= _POSITIONS:
        return {**inputs, **{name: Tensor((BATCH,), "int64") for name in sorted(_POSITIONS)}}
    if "labels" not in names:
        return None
    logits = part_of(outputs, "logits")
    if isinstance(logits, Tensor) and logits.shape is not None:
        if len(logits.shape) == 2:
            shape: tuple[Any, ...] = logits.shape[:1]
        elif len(logits.shape) == 4:
            shape = (logits.shape[0], *logits.shape[2:])
        else:
            shape = logits.shape[:-1]
    else:
        text = inputs.get("decoder_input_ids", inputs.get("input_ids"))
        shape = text.shape if isinstance(text, Tensor) and text.shape is not None else (BATCH,)
    return {**inputs, "labels": Tensor(shape, "int64")}


def part_of(outputs: Value, name: str) -> Value:
    """An output by its name; None where there is none."""
    if isinstance(outputs, Instance):
        outputs = outputs.native if isinstance(outputs.native, dict) and outputs.native else outputs.attrs
    return outputs.get(name) if isinstance(outputs, dict) else None


def tensors_below(value: Value, depth: int, seen: set[int]) -> Iterator[Tensor]:
    """All tensors in a value: items, attributes, payloads."""
    if id(value) in seen or depth > 8:
        return
    seen.add(id(value))
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_below(item, depth + 1, seen)
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_below(item, depth + 1, seen)
    elif isinstance(value, Instance) and not value.cls.flags & {"module", "config"}:
        yield from tensors_below(value.attrs, depth + 1, seen)
        yield from tensors_below(value.native, depth + 1, seen)
