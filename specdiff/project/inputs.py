"""The tensors a model's ``forward`` is called with: symbolic batch and sequence, other sizes from the configuration.

A parameter's name says what it holds; where a name leaves several shapes open (an image, a clip, a row of patches),
they are alternatives in order of likelihood, and the first that the code accepts is the input.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from specdiff.interp.calls import node_of
from specdiff.interp.limits import MAX_INPUT_CHOICES
from specdiff.interp.lookups import lookup
from specdiff.interp.objects import ClassVal, Frame, Function, Instance, Raised, Value
from specdiff.interp.run import Run
from specdiff.interp.tracked import plain
from specdiff.interp.values import Tensor
from specdiff.ir import nodes as ir
from specdiff.project.annotated import by_annotation, may_be_none
from specdiff.project.arguments import resolve_annotation
from specdiff.project.documented import documented
from specdiff.project.known import GRIDS, KNOWN, booleans, floats, integers, known
from specdiff.project.sizes import BATCH, GRID, SEQUENCE, TARGET, TEXT, Sizes, attribute

Inputs = dict[str, Value]

_COMPANIONS: dict[str, tuple[str, ...]] = {
    "pixel_values": (
        *GRIDS[:1],
        "grid_thw",
        "image_grid_hws",
        "grid_hws",
        "grid_hw",
        "image_grid_hw",
        "pixel_attention_mask",
        "spatial_shapes",
        "image_sizes",
        "pixel_position_ids",
        "image_position_ids",
        "aspect_ratio_ids",
        "aspect_ratio_mask",
        "merge_sizes",
        "target_sizes",
        "mm_token_type_ids",
    ),
    "pixel_values_videos": ("video_grid_thw",),
    "input_features": ("input_features_mask",),
    "past_values": (
        "past_time_features",
        "past_observed_mask",
        "future_values",
        "future_time_features",
        "static_categorical_features",
        "static_real_features",
    ),
}
"""Inputs that come with another one."""

_SIZES = "image_sizes"
"""An input that many entries take for one of several vision towers only."""
_TEXT = ("input_ids", "decoder_input_ids")
_WORDS = ("tokens", "token_ids", "idx")
"""What publishers' own code calls the text."""
_SENSES = ("pixel_values", "input_features", "input_values", "pixel_values_videos", "flattened_patches", "past_values")
_FURTHER = ("encoder_hidden_states", "bbox", "image", "visual_embeds", "entity_ids", "query_embeds", "input_boxes")
"""Inputs that some entries do not go without, though their signatures say that they may."""


_NEVER = frozenset({"labels", "past_key_values", "inputs_embeds", "use_cache", "return_dict", "output_attentions"})
"""Arguments that are alternatives of others or switches, whatever line mentions them."""


def senses_left_out(cls: ClassVal, run: Run, inputs: Inputs) -> tuple[str, ...]:
    """Inputs that the entry takes beside the text and that were not given."""
    forward = entry_of(cls)
    if forward is None or "input_ids" not in inputs:
        return ()
    plan = run.plan_of(forward)
    return tuple(name for name in _SENSES if name in (*plan.names, *plan.kwonly) and name not in inputs)


def kinds_left_out(cls: ClassVal, run: Run, inputs: Inputs) -> tuple[str, ...]:
    """Inputs that say of each token whether it stands for a picture, of an entry that takes pictures, not given."""
    forward = entry_of(cls)
    if forward is None:
        return ()
    plan = run.plan_of(forward)
    names = (*plan.names, *plan.kwonly)
    if not any(name in _SENSES for name in names):
        return ()
    return tuple(name for name in names if name.endswith("token_type_ids") and name not in inputs)


def entry_inputs(run: Run, cls: ClassVal, instance: Instance, config: Value) -> list[Inputs] | str:
    """Alternatives of keyword arguments for the class's ``forward``, the likeliest first; a sentence where an input
    cannot be told."""
    forward = entry_of(cls)
    if forward is None:
        return "the class has no forward of its own"
    forward = taker_of(run, cls, forward)
    plan = run.plan_of(forward)
    names = [*plan.names[1:], *plan.kwonly]
    required = [name for name in names if name not in plan.defaults]
    asked = _asked(run, forward, instance, config, names, required)
    sizes = asked.sizes
    main = lookup(cls, "main_input_name")[0]
    main = main if isinstance(main, str) and main in names else None
    chosen: list[list[str]] = []
    alternatives: list[Inputs] = []
    if not names and (plan.kwarg is not None or plan.vararg is not None):
        chosen.append(["input_ids"])
    elif required:
        chosen.append(_with_companions(required, names))
        extra = [name for name in (main, *_TEXT) if name is not None and name in names and name not in required]
        if extra:
            chosen.append(_with_companions([*required, *extra], names))
            if any(name in _SENSES for name in required):
                chosen.reverse()
        chosen.append(required)
    else:
        text = [name for name in _TEXT if name in names]
        senses = [name for name in _SENSES if name in names][:2]
        if text and senses:
            if "mm_token_type_ids" in names and "pixel_values" in names:
                alternatives.append(_written_out(sizes, names))
            chosen.append(_with_companions([*text, *senses], names))
            chosen.extend(_with_companions([*text, sense], names) for sense in senses if len(senses) > 1)
            if _SIZES in chosen[0]:
                chosen.append([*text, senses[0]])
        if main is not None and main not in text:
            chosen.append(_with_companions([main, *[name for name in text if name != "input_ids"]], names))
        if text:
            chosen.append(text)
            if len(text) == 2:
                chosen.append(text[:1])
        elif senses and main not in KNOWN:
            chosen.append(_with_companions(senses[:1], names))
        if not chosen:
            chosen.append([name for name in names if name in KNOWN and name != "attention_mask"] or names[:1])
    if names and len(chosen[0]) < len(names):
        base = next(
            (group for group in reversed(chosen) if "input_ids" in group or "decoder_input_ids" in group), chosen[0]
        )
        further = [name for name in _FURTHER if name in names and name not in base]
        if further:
            chosen.append([*base, *further])
            asked = replace(asked, required=[*required, *further])
    likeliest = [*alternatives]
    for group in chosen:
        here = asked if _SIZES in group else replace(asked, names=[name for name in names if name != _SIZES])
        options = {name: _options(name, here) for name in group}
        missing = next((name for name, values in options.items() if not values and name in required), None)
        if missing is not None:
            if group is chosen[-1] and not alternatives:
                return f"nothing is known of the shape of the input {missing}"
            continue
        options = {name: values for name, values in options.items() if values}
        combined = _combined(options)
        likeliest.append(combined[0])
        alternatives.extend(combined)
    return _fewer(alternatives, likeliest)


def _combined(options: dict[str, list[Value]]) -> list[Inputs]:
    """Alternatives of several inputs: what is not text varies together, then the text by itself."""
    others = {name: values for name, values in options.items() if name not in (*_TEXT, *_WORDS)}
    text = {name: values for name, values in options.items() if name in (*_TEXT, *_WORDS)}
    first = {name: values[0] for name, values in options.items()}
    found = [first]
    for group in (others, text):
        for number in range(1, max((len(values) for values in group.values()), default=0)):
            picked = {name: values[min(number, len(values) - 1)] for name, values in group.items()}
            found.append({**first, **picked})
    return found


def _fewer(alternatives: list[Inputs], likeliest: list[Inputs]) -> list[Inputs]:
    """As many alternatives as are tried: the likeliest of each choice of arguments, then as they come."""
    kept = {_signature(inputs) for inputs in likeliest[:MAX_INPUT_CHOICES]}
    for inputs in alternatives:
        if len(kept) < MAX_INPUT_CHOICES:
            kept.add(_signature(inputs))
    chosen: dict[Any, Inputs] = {}
    for inputs in alternatives:
        if _signature(inputs) in kept:
            chosen.setdefault(_signature(inputs), inputs)
    return list(chosen.values())


def _signature(value: Any) -> Any:
    """What makes two values of inputs the same for a call."""
    if isinstance(value, Tensor):
        return (value.shape, value.dtype, None if value.const is None else str(value.const))
    if isinstance(value, dict):
        return tuple([(name, _signature(item)) for name, item in value.items()])
    return tuple([_signature(item) for item in value]) if isinstance(value, list) else value


def _written_out(sizes: Sizes, names: list[str]) -> Inputs:
    """A prompt given token by token, one image in it, for code that works positions out from where the image stands."""
    rows, columns = GRID
    image = sizes.number(("image_token_id", "image_token_index"), 5)
    start = sizes.number(("vision_start_token_id", "image_start_token_id"), 6)
    end = sizes.number(("vision_end_token_id", "image_end_token_id"), 7)
    count = rows * columns
    prompt = [1, 2, start, *[image] * count, end, 3, 4, 1, 2]
    kinds = [0, 0, 0, *[1] * count, 0, 0, 0, 0, 0]
    made: Inputs = {"input_ids": known([prompt]), "mm_token_type_ids": known([kinds])}
    if "attention_mask" in names:
        made["attention_mask"] = known([[1] * len(prompt)])
    for name in _with_companions(["pixel_values"], names):
        made.setdefault(name, KNOWN[name](sizes, names)[0])
    return made


def entry_of(cls: ClassVal) -> Function | None:
    """The class's ``forward`` as its author wrote it, under whatever wraps it."""
    found = lookup(cls, "forward")[0]
    for _ in range(8):
        inner = found.attrs.get("__wrapped__") if isinstance(found, Function) and found.attrs else None
        if inner is None:
            break
        found = inner
    return found if isinstance(found, Function) else None


def taker_of(run: Run, cls: ClassVal, forward: Function) -> Function:
    """The method that a ``forward`` of ``*args`` or ``**kwargs`` alone hands them to (``self.features(*args)``,
    ``super().forward(**kwargs)``); itself where it says what it takes."""
    for _ in range(4):
        plan = run.plan_of(forward)
        names = [*plan.names[1:], *plan.kwonly]
        if any(name not in plan.defaults for name in names) or not (plan.vararg or plan.kwarg):
            return forward
        if any(name in KNOWN for name in names):
            return forward
        found = next((each for each in _handed(cls, forward, {plan.vararg, plan.kwarg} - {None})), None)
        if found is None:
            return forward
        forward = found
    return forward


def _handed(cls: ClassVal, forward: Function, rest: set[str | None]) -> Iterator[Function]:
    """The methods that a function calls with its own ``*args`` or ``**kwargs``."""
    node = node_of(forward)
    for item in calls_in(node.body):
        if not any(arg.star and isinstance(arg.value, ir.Name) and arg.value.id in rest for arg in item.args):
            continue
        match item.func:
            case ir.Attr(value=ir.Name(id="self"), name=name):
                found = lookup(cls, name)[0]
            case ir.Attr(value=ir.Call(func=ir.Name(id="super")), name=name):
                after = cls.mro[cls.mro.index(forward.owner) + 1 :] if forward.owner in cls.mro else []
                found = next(
                    (base.attrs[name] for base in after if isinstance(base, ClassVal) and name in base.attrs), None
                )
            case _:
                continue
        if isinstance(found, Function):
            yield found


def calls_in(node: Any) -> Iterator[ir.Call]:
    """The calls below a node, in source order."""
    if isinstance(node, ir.Call):
        yield node
    if isinstance(node, tuple):
        for part in node:
            yield from calls_in(part)


def _with_companions(names: list[str], available: list[str]) -> list[str]:
    extra = [
        other for name in names for other in _COMPANIONS.get(name, ()) if other in available and other not in names
    ]
    return [*names, *dict.fromkeys(extra)]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What an entry asks for."""

    run: Run
    forward: Function
    sizes: Sizes
    names: list[str]
    """All parameters."""
    required: list[str]
    annotations: dict[str, ir.Expr | None]
    documented: dict[str, list[Value]]
    instance: Instance


def _asked(
    run: Run, forward: Function, instance: Instance, config: Value, names: list[str], required: list[str]
) -> _Asked:
    node = node_of(forward)
    sizes = Sizes(config)
    annotations = {param.name: param.annotation for param in node.params}
    return _Asked(
        run, forward, sizes, names, required, annotations, documented(getattr(node, "doc", None), sizes), instance
    )


def with_needed(
    run: Run, cls: ClassVal, instance: Instance, config: Value, inputs: Inputs, words: set[str]
) -> list[Inputs]:
    """Alternatives of the inputs with further arguments, those of some words that ``forward`` takes and was not given."""
    forward = entry_of(cls)
    if forward is None:
        return []
    plan = run.plan_of(forward)
    names = [*plan.names[1:], *plan.kwonly]
    wanted = [name for name in names if name in words and name not in inputs and name not in _NEVER]
    if not wanted:
        return []
    asked = _asked(run, forward, instance, config, names, wanted)
    # The call failed because these were None, so what else they may be is asked for.
    asked = replace(asked, annotations={name: a for name, a in asked.annotations.items() if not may_be_none(a)})
    options = {name: values for name in wanted if (values := _options(name, asked))}
    count = min(3, max((len(values) for values in options.values()), default=0))
    return [
        {**inputs, **{name: values[min(number, len(values) - 1)] for name, values in options.items()}}
        for number in range(count)
    ]


def _options(name: str, asked: _Asked) -> list[Value]:
    """The values an input may have, the likeliest first; lists of tensors where the signature says so."""
    values = _values(name, asked)
    if values and all(isinstance(value, Tensor) for value in values) and _takes_list(asked.annotations.get(name)):
        single = [Tensor(value.shape[1:], value.dtype) for value in values if value.shape and value.shape[0] == BATCH]
        values = [[value] * 3 for pair in zip_longest(values, single) for value in pair if value is not None]
    return values


def _takes_list(annotation: ir.Expr | None) -> bool:
    """Whether an annotation is ``list[torch.Tensor]`` (or a tuple, optional or not)."""
    while type(annotation) is ir.Binary and annotation.op == "|":
        annotation = annotation.left
    if type(annotation) is not ir.Item or type(annotation.value) is not ir.Name:
        return False
    if annotation.value.id == "Optional":
        return _takes_list(annotation.index)
    return _is_list_of(annotation, "Tensor")


def _is_list_of(annotation: ir.Expr | None, ending: str) -> bool:
    """Whether an annotation is a list or tuple of things whose class's name ends in some way."""
    if type(annotation) is not ir.Item or type(annotation.value) is not ir.Name:
        return False
    first = annotation.index.items[0] if type(annotation.index) is ir.TupleExpr else annotation.index
    kind = first.name if type(first) is ir.Attr else first.id if type(first) is ir.Name else ""
    return annotation.value.id in ("list", "List", "tuple", "Tuple", "Sequence") and kind.endswith(ending)


def _structure(annotation: ir.Expr | None, asked: _Asked) -> list[Value] | None:
    """Objects of an analysed dataclass that an entry takes, made from the inputs that its fields stand for."""
    if annotation is None:
        return None
    run, frame = asked.run, Frame(asked.forward.module)
    try:
        cls = resolve_annotation(run, run.evaluate(annotation, frame), frame)
    except Raised:
        return None
    if not isinstance(cls, ClassVal) or not cls.fields or cls.flags & {"config", "module"}:
        return None
    options: dict[str, list[Value]] = {}
    for name, field in cls.fields.items():
        expr = field.annotation.expr
        inner = replace(asked, required=[name], annotations={name: expr})
        options[name] = [None] if may_be_none(expr) else _number_or(expr) or _options(name, inner)
    if not all(options.values()):
        return None
    made: list[Value] = []
    for choice in _combined(options)[:2]:
        try:
            made.append(run.call(cls, (), choice))
        except Raised:
            return None
    return made


def _number_or(annotation: ir.Expr) -> list[Value]:
    """Zero where a position may be a number as well as a tensor."""
    if type(annotation) is ir.Item and type(annotation.index) is ir.TupleExpr:
        names = [item.id for item in annotation.index.items if type(item) is ir.Name]
        return [0] if "int" in names else []
    return []


def _values(name: str, asked: _Asked) -> list[Value]:
    sizes, names, instance = asked.sizes, asked.names, asked.instance
    described = asked.documented.get(name, [])
    maker = KNOWN.get(name)
    if maker is not None:
        made = maker(sizes, names)
        return [*made[:1], *described, *made[1:]]
    if name not in asked.required:
        return []
    if described:
        return described
    annotation = asked.annotations.get(name)
    structure = _structure(annotation, asked)
    if structure is not None:
        return structure
    kind = annotation.id if type(annotation) is ir.Name else ""
    if kind in ("int", "bool", "float", "str"):
        plain: dict[str, list[Value]] = {"int": [0, 1], "bool": [False], "float": [1.0], "str": []}
        return plain[kind]
    if name in ("start_pos", "start_position", "offset", "cache_position"):
        return [0]
    told = by_annotation(name, sizes, annotation)
    if told is not None:
        return told
    if "positions" in name:
        return [integers(BATCH, SEQUENCE), integers(SEQUENCE)]
    widths = sizes.hidden()
    streams: list[Value] = [floats(BATCH, SEQUENCE, width) for width in widths[:2]]
    if name.endswith(("_ids", "_id")):
        return [integers(BATCH, SEQUENCE)]
    if name.endswith(("_index", "indices", "_position")):
        return [integers(BATCH, SEQUENCE), integers(SEQUENCE)]
    if "mask" in name:
        return [booleans(BATCH, SEQUENCE), floats(1, 1, SEQUENCE, SEQUENCE)]
    if name in ("freqs_cis", "mask", "cache"):
        return []
    if name in _MOMENTS:
        return [integers(BATCH), floats(BATCH), *streams]
    pictures = _pictures(name, asked)
    if pictures:
        return [*pictures, *streams]
    if (beside := _picture(instance, sizes.image())) is not None:
        streams.append(beside)  # of the same form as the first input
    if _has_embedding(instance):
        return [integers(BATCH, SEQUENCE), integers(SEQUENCE), *streams]
    if sizes.value(("image_size", "img_size"), ()) is not None and name == asked.required[0]:
        streams.append(floats(BATCH, sizes.channels(), *sizes.image()))
    return [*streams, integers(BATCH, SEQUENCE)]


_MOMENTS = frozenset(
    {"t", "timestep", "timesteps", "time", "sigma", "noise_level", "y", "class_labels", "noise_labels"}
)
"""Names of one number for each example: steps of a diffusion, noise, the class that is asked for."""
_PICTURES = frozenset({"img", "imgs", "images", "image", "pixels", "picture", "pictures"})
_CLIPS = frozenset({"video", "videos", "clip", "clips"})


def _pictures(name: str, asked: _Asked) -> list[Value]:
    """Pictures or clips, where the name says so or the first layer takes one and this is the first input."""
    sizes = asked.sizes
    found = _picture(asked.instance, sizes.image()) if name == asked.required[0] or name in _PICTURES else None
    image = (sizes.channels(), *sizes.image())
    if found is not None:
        named = sizes.value(("in_chans", "in_channels", "channels", "num_channels"), ())
        return [found, *([floats(BATCH, *image)] if named not in (None, (found.shape or (0, 0))[1]) else [])]
    if name in _CLIPS:
        frames = sizes.number(("frames", "num_frames", "max_frames"), 8)
        return [floats(BATCH, image[0], frames, *image[1:]), floats(BATCH, frames, *image)]
    return [floats(BATCH, *image)] if name in _PICTURES and not _is_linear_first(asked.instance) else []


def _is_linear_first(module: Value) -> bool:
    """Whether the first layer is a linear one."""
    first = _first_with_weights(module, 0)
    return first is not None and "Linear" in first.cls.name


def _first_with_weights(module: Value, depth: int) -> Instance | None:
    """The first layer that has parameters of its own."""
    if not isinstance(module, Instance) or depth > 4:
        return None
    if module.attrs.get("_parameters"):
        return module
    children = (module.attrs.get("_modules") or {}).values()
    return next((found for child in children if (found := _first_with_weights(child, depth + 1)) is not None), None)


def _picture(module: Value, size: Any, depth: int = 0) -> Tensor | None:
    """A picture for a module whose first layer is a convolution over two dimensions: of the size it, or what it is
    part of, was made for."""
    if not isinstance(module, Instance) or depth > 4:
        return None
    own = next((module.attrs[name] for name in ("img_size", "image_size", "input_size") if name in module.attrs), None)
    own = (own, own) if isinstance(own, int) and not isinstance(own, bool) else own
    size = own if isinstance(own, tuple | list) and len(own) == 2 else size
    if any(isinstance(base, ClassVal) and base.name == "Conv2d" for base in module.cls.mro):
        channels = plain(module.attrs.get("in_channels"))
        return floats(BATCH, channels, *map(plain, size)) if isinstance(channels, int) else None
    if module.attrs.get("_parameters") and ("Linear" in module.cls.name or "Embedding" in module.cls.name):
        return None
    for child in (module.attrs.get("_modules") or {}).values():
        if isinstance(child, Instance) and (found := _picture(child, size, depth + 1)) is not None:
            return found
        if isinstance(child, Instance) and ("Linear" in child.cls.name or child.cls.name == "Embedding"):
            return None
    return None


def _has_embedding(module: Value, depth: int = 0) -> bool:
    """Whether a module looks tokens up: it, or a direct part of it, holds an embedding table."""
    if not isinstance(module, Instance) or depth > 2:
        return False
    if any(isinstance(base, ClassVal) and "Embedding" in base.name for base in module.cls.mro):
        return True
    return any(_has_embedding(child, depth + 1) for child in (module.attrs.get("_modules") or {}).values())


__all__ = ["BATCH", "SEQUENCE", "TARGET", "TEXT", "attribute", "entry_inputs", "known"]
