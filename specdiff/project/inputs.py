"""The tensors a model's ``forward`` is called with: symbolic batch and sequence, other sizes from the configuration.

A parameter's name says what it holds; where a name leaves several shapes open (an image, a clip, a row of patches),
they are alternatives in order of likelihood, and the first that the code accepts is the input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specdiff.interp.calls import node_of
from specdiff.interp.dims import Dim
from specdiff.interp.limits import MAX_INPUT_CHOICES
from specdiff.interp.objects import ClassVal, Function, Instance, Value
from specdiff.interp.ops import lookup
from specdiff.interp.run import Run
from specdiff.interp.values import Tensor
from specdiff.ir import nodes as ir
from specdiff.project.annotated import by_annotation
from specdiff.project.sizes import BATCH, FRAMES, GRID, SAMPLES, SEQUENCE, TARGET, TEXT, VISION, Sizes, attribute

Inputs = dict[str, Value]
Maker = Callable[[Sizes, list[str]], list[Value]]
"""From the configuration and the names of all parameters to the alternatives for one."""

_GRIDS = ("image_grid_thw", "grid_thw", "image_grid_hws", "grid_hws", "image_grid_hw", "grid_hw", "video_grid_thw")
_PATCH_POSITIONS = ("pixel_position_ids", "image_position_ids", "spatial_shapes")


def _f(*shape: Any) -> Tensor:
    return Tensor(shape, "float32")


def _i(*shape: Any) -> Tensor:
    return Tensor(shape, "int64")


def _b(*shape: Any) -> Tensor:
    return Tensor(shape, "bool")


def known(rows: list[Any]) -> Tensor:
    """A tensor of integers whose content is given."""
    import numpy  # noqa: PLC0415 - only where such an input is needed

    array = numpy.array(rows)
    return Tensor(array.shape, "int64", const=array)


def _tokens(length: Any) -> Maker:
    def make(sizes: Sizes, names: list[str]) -> list[Value]:
        books = sizes.number(("num_codebooks", "n_codebooks", "num_codebook", "audio_channels", "channels"), 8)
        return [_i(BATCH, length), _i(BATCH, length, books), _i(BATCH, books, length), _i(length)]

    return make


def _flat_patches(sizes: Sizes) -> Tensor:
    rows, columns = sizes.grid()
    height, width = sizes.patch()
    return _f(rows * columns, sizes.channels() * sizes.temporal() * height * width)


def _packed(sizes: Sizes, batch: Any) -> Tensor:
    rows, columns = sizes.grid()
    height, width = sizes.patch()
    return _f(batch, rows * columns, sizes.channels() * height * width)


def _pixels(sizes: Sizes, names: list[str]) -> list[Value]:
    channels, (height, width) = sizes.channels(), sizes.image()
    image = _f(BATCH, channels, height, width)
    clip = _f(BATCH, sizes.frames(), channels, height, width)
    tiles = _f(BATCH, 1, sizes.number(("max_num_tiles",), 4, VISION), channels, height, width)
    crops = _f(BATCH, 1, channels, height, width)
    rows, columns = sizes.grid()
    patch = sizes.patch()
    patches = _f(rows * columns, channels, *patch)
    flat = _flat_patches(sizes)
    packed = _packed(sizes, 1)
    if any(name in names for name in _GRIDS):
        return [flat, patches, packed, image, clip]
    if any(name in names for name in _PATCH_POSITIONS):
        return [packed, flat, image, clip]
    if "aspect_ratio_ids" in names:
        return [tiles, image]
    if "pixel_attention_mask" in names or "image_sizes" in names or "num_crops" in names:
        # One image where its size is given as well: code that cuts each image to its own size iterates over the two.
        alone = [_f(1, channels, height, width)] if "image_sizes" in names else []
        return [crops, *alone, image, packed, clip, flat]
    if sizes.value(("num_frames",), ()) is not None:
        return [clip, image, flat]
    return [image, clip, crops, packed, flat, _f(BATCH, 2, channels, height, width)]


def _clips(sizes: Sizes, names: list[str]) -> list[Value]:
    channels, (height, width) = sizes.channels(), sizes.image()
    clip = _f(BATCH, sizes.frames(), channels, height, width)
    if any(name in names for name in _GRIDS):
        return [_flat_patches(sizes), clip]
    return [clip, _f(BATCH, channels, sizes.frames(), height, width)]


def _grid(sizes: Sizes, names: list[str]) -> list[Value]:
    return [known([[1, *sizes.grid()]])]


def _plane(sizes: Sizes, names: list[str]) -> list[Value]:
    return [known([list(sizes.grid())])]


def _waves(sizes: Sizes, names: list[str]) -> list[Value]:
    channels = sizes.number(("audio_channels", "num_channels", "in_channels"), 1)
    length = sizes.number(("max_length",), 1024)
    rate = sizes.number(("sampling_rate", "sample_rate"), 16000)
    spectrum = _f(BATCH, length, sizes.bins())
    wave, chunk = _f(BATCH, SAMPLES), _f(BATCH, channels, SAMPLES)
    second = _f(BATCH, channels, rate), _f(BATCH, rate)
    if sizes.value(("num_mel_bins",), ()) is not None and sizes.value(("conv_dim",), ()) is None:
        return [spectrum, wave, chunk]
    if sizes.value(("audio_channels", "codebook_size"), ()) is not None:
        return [chunk, second[0], wave]
    return [wave, chunk, *reversed(second)]


def _features(sizes: Sizes, names: list[str]) -> list[Value]:
    bins = sizes.bins()
    positions = sizes.value(("max_source_positions",), ("audio_config", "encoder_config"))
    rows, columns = _f(BATCH, bins, FRAMES), _f(BATCH, FRAMES, bins)
    spectrogram = _f(BATCH, 1, sizes.number(("spec_size",), 1024), bins)
    if isinstance(positions, int) and sizes.value(("num_mel_bins",)) is not None:
        return [_f(BATCH, bins, 2 * positions), columns, rows]
    if sizes.value(("spec_size",)) is not None:
        return [spectrogram, columns]
    return [columns, rows, _f(BATCH, bins, 3000), _f(BATCH, 3000, bins), spectrogram]


def _stream(*places: str, length: Any = SEQUENCE) -> Maker:
    def make(sizes: Sizes, names: list[str]) -> list[Value]:
        made: list[Value] = []
        if any(name in names for name in _GRIDS):
            rows, columns = sizes.grid()
            made += [_flat_patches(sizes), *[_f(rows * columns, width) for width in sizes.hidden(places)[:2]]]
        widths = sizes.hidden(places)
        streams: list[Value] = [*made, *[_f(BATCH, length, width) for width in widths[:3]]]
        if sizes.value(("num_channels", "in_channels", "in_chans"), ()) is not None and not made:
            streams.insert(1, _f(BATCH, sizes.channels(), *sizes.image()))
        return [*streams, _f(length, widths[0])]

    return make


def _series(sizes: Sizes, names: list[str]) -> list[Value]:
    history = sizes.number(("context_length", "history_length"), 64)
    lags = sizes.value(("lags_sequence",), ())
    channels = sizes.number(("num_input_channels", "input_size"), 1)
    if isinstance(lags, list | tuple):
        length = history + max(lags)
        return [_f(BATCH, length, channels) if channels > 1 else _f(BATCH, length)]
    return [_f(BATCH, history, channels), _f(BATCH, history), _f(BATCH, SEQUENCE)]


def _future(sizes: Sizes, names: list[str]) -> list[Value]:
    channels = sizes.number(("input_size",), 1)
    length = sizes.number(("prediction_length",), 24)
    return [_f(BATCH, length, channels) if channels > 1 else _f(BATCH, length)]


def _time_features(which: str) -> Maker:
    def make(sizes: Sizes, names: list[str]) -> list[Value]:
        count = sizes.number(("num_time_features",), 0, ())
        series = _series(sizes, names) if which == "past" else _future(sizes, names)
        return [_f(*series[0].shape[:2], count)]

    return make


def _boxes(sizes: Sizes, names: list[str]) -> list[Value]:
    return [_i(BATCH, SEQUENCE, 4), _f(BATCH, SEQUENCE, 8), _f(BATCH, SEQUENCE, 4)]


def _masked_patches(sizes: Sizes, names: list[str]) -> list[Value]:
    (height, width), (rows, columns) = sizes.image(), sizes.patch()
    count: Any = (height // rows) * (width // columns)
    if sizes.value(("num_frames",), ()) is not None:
        count = sizes.frames() // sizes.temporal() * count
    return [_b(BATCH, count)]


def _spectrogram(sizes: Sizes, names: list[str]) -> list[Value]:
    bins = sizes.number(("num_mel_bins", "model_in_dim", "mel_dim", "num_mels"), 80)
    return [_f(BATCH, FRAMES, bins), _f(BATCH, bins, FRAMES)]


def _flattened(sizes: Sizes, names: list[str]) -> list[Value]:
    height, width = sizes.patch()
    return [_f(BATCH, SEQUENCE, 2 + sizes.channels() * height * width)]


def _levels(sizes: Sizes, names: list[str]) -> list[Value]:
    return [known([[8, 12], [4, 6], [2, 3]][: sizes.number(("num_feature_levels", "num_levels"), 3)])]


def _level_pixels(sizes: Sizes) -> int:
    return sum([96, 24, 6][: sizes.number(("num_feature_levels", "num_levels"), 3)])


def _queries(sizes: Sizes) -> int:
    return sizes.number(("num_queries", "num_query_tokens"), 100)


def _object_queries(sizes: Sizes, names: list[str]) -> list[Value]:
    return [_f(BATCH, _queries(sizes), width) for width in sizes.hidden()[:2]]


KNOWN: dict[str, Maker] = {
    "input_ids": _tokens(SEQUENCE),
    "decoder_input_ids": _tokens(TARGET),
    "qformer_input_ids": _tokens(Dim.symbol("query_sequence")),
    "audio_input_ids": _tokens(SEQUENCE),
    "codes": _tokens(SEQUENCE),
    "audio_codes": _tokens(SEQUENCE),
    "classes_input_ids": _tokens(SEQUENCE),
    "tasks_input_ids": _tokens(SEQUENCE),
    "task_inputs": lambda sizes, names: [_i(BATCH, sizes.number(("task_seq_len",), 77))],
    "pixel_values": _pixels,
    "pixel_values_videos": _clips,
    "image": _pixels,
    "prompt_pixel_values": _pixels,
    "prompt_masks": lambda sizes, names: [_f(BATCH, 3, *sizes.image())],
    "flattened_patches": _flattened,
    "image_grid_thw": _grid,
    "grid_thw": _grid,
    "video_grid_thw": _grid,
    "image_grid_hws": _plane,
    "grid_hws": _plane,
    "image_grid_hw": _plane,
    "grid_hw": _plane,
    "merge_sizes": lambda sizes, names: [known([sizes.merge()])],
    "target_sizes": _plane,
    "image_sizes": lambda sizes, names: [known([list(sizes.image())])],
    "pixel_position_ids": lambda sizes, names: [_i(1, sizes.grid()[0] * sizes.grid()[1], 2)],
    "image_position_ids": lambda sizes, names: [_i(1, sizes.grid()[0] * sizes.grid()[1], 2)],
    "pixel_attention_mask": lambda sizes, names: [
        _i(1, sizes.grid()[0] * sizes.grid()[1]) if "spatial_shapes" in names else _b(BATCH, 1, *sizes.image())
    ],
    "spatial_shapes": lambda sizes, names: (
        _levels(sizes, names)
        if "level_start_index" in names or "encoder_hidden_states" in names
        else _plane(sizes, names)
    ),
    "spatial_shapes_list": lambda sizes, names: [[tuple(row) for row in _levels(sizes, names)[0].const.tolist()]],
    "level_start_index": lambda sizes, names: [known([0, 96, 120][: len(_levels(sizes, names)[0].const)])],
    "valid_ratios": lambda sizes, names: [_f(BATCH, len(_levels(sizes, names)[0].const), 2)],
    "reference_points": lambda sizes, names: [_f(BATCH, _queries(sizes), 4), _f(BATCH, _queries(sizes), 2)],
    "aspect_ratio_ids": lambda sizes, names: [_i(BATCH, 1)],
    "aspect_ratio_mask": lambda sizes, names: [_i(BATCH, 1, sizes.number(("max_num_tiles",), 4))],
    "input_values": _waves,
    "input_features": _features,
    "input_features_mask": lambda sizes, names: [_b(*_features(sizes, names)[0].shape[:2])],
    "audio_mel": _features,
    "audio_mel_mask": lambda sizes, names: [_b(BATCH, FRAMES)],
    "spectrogram": _spectrogram,
    "mel_spectrogram": _spectrogram,
    "hidden_states": _stream(),
    "inputs_embeds": lambda sizes, names: (
        _object_queries(sizes, names) if "reference_points" in names else _stream()(sizes, names)
    ),
    "encoder_hidden_states": lambda sizes, names: (
        [_f(BATCH, _level_pixels(sizes), width) for width in sizes.hidden()[:2]]
        if "spatial_shapes" in names
        else [
            _f(BATCH, Dim.symbol("source_sequence"), width)
            for width in (
                sizes.value(("cross_hidden_size", "encoder_hidden_size", "cross_attention_hidden_size"), ()),
                *sizes.hidden(),
            )
            if isinstance(width, int)
        ]
    ),
    "query_embeds": lambda sizes, names: [
        _f(BATCH, sizes.number(("num_query_tokens",), 32), w) for w in sizes.hidden()
    ],
    "past_values": _series,
    "past_observed_mask": _series,
    "past_time_features": _time_features("past"),
    "future_time_features": _time_features("future"),
    "future_values": _future,
    "static_categorical_features": lambda sizes, names: [
        _i(BATCH, sizes.number(("num_static_categorical_features",), 1, ()))
    ],
    "static_real_features": lambda sizes, names: [_f(BATCH, sizes.number(("num_static_real_features",), 1, ()))],
    "bbox": _boxes,
    "bool_masked_pos": _masked_patches,
    "attention_mask": lambda sizes, names: [_i(BATCH, SEQUENCE)],
    "mm_token_type_ids": lambda sizes, names: [_i(BATCH, SEQUENCE)],
    "tokens": _tokens(SEQUENCE),
    "token_ids": _tokens(SEQUENCE),
    "idx": _tokens(SEQUENCE),
}
"""Inputs by parameter name."""

_COMPANIONS: dict[str, tuple[str, ...]] = {
    "pixel_values": (
        *_GRIDS[:1],
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

_TEXT = ("input_ids", "decoder_input_ids")
_SENSES = ("pixel_values", "input_features", "input_values", "pixel_values_videos", "flattened_patches", "past_values")
_FURTHER = ("encoder_hidden_states", "bbox", "image", "visual_embeds", "entity_ids", "query_embeds", "input_boxes")
"""Inputs that some entries do not go without, though their signatures say that they may."""


def senses_left_out(cls: ClassVal, run: Run, inputs: Inputs) -> tuple[str, ...]:
    """Inputs that the entry takes beside the text and that were not given."""
    forward = entry_of(cls)
    if forward is None or "input_ids" not in inputs:
        return ()
    plan = run.plan_of(forward)
    return tuple(name for name in _SENSES if name in (*plan.names, *plan.kwonly) and name not in inputs)


def entry_inputs(run: Run, cls: ClassVal, instance: Instance, config: Value) -> list[Inputs] | str:
    """Alternatives of keyword arguments for the class's ``forward``, the likeliest first; a sentence where an input
    cannot be told."""
    forward = entry_of(cls)
    if forward is None:
        return "the class has no forward of its own"
    plan = run.plan_of(forward)
    names = [*plan.names[1:], *plan.kwonly]
    required = [name for name in names if name not in plan.defaults]
    sizes = Sizes(config)
    annotations = {param.name: param.annotation for param in node_of(forward).params}
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
        if main is not None and main not in text:
            chosen.append(_with_companions([main, *[name for name in text if name != "input_ids"]], names))
        if text:
            chosen.append(text)
            if len(text) == 2:
                chosen.append(text[:1])
        elif senses and main is None:
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
    first = len(alternatives) * [True]
    for group in chosen:
        options = {
            name: _options(name, sizes, names, annotations.get(name), instance, name in required) for name in group
        }
        missing = next((name for name, values in options.items() if not values and name in required), None)
        if missing is not None:
            if group is chosen[-1] and not alternatives:
                return f"nothing is known of the shape of the input {missing}"
            continue
        options = {name: values for name, values in options.items() if values}
        found = _combined(options)
        first += [True, *[False] * (len(found) - 1)]
        alternatives += found
    return _fewer(alternatives, first)


def _combined(options: dict[str, list[Value]]) -> list[Inputs]:
    """Alternatives of a group: first those of all else with the likeliest tokens, then those of the tokens."""
    text = {name: values for name, values in options.items() if name in _TEXT}
    others = {name: values for name, values in options.items() if name not in _TEXT}
    found: list[Inputs] = []
    for varied in (others, text):
        for number in range(max((len(values) for values in varied.values()), default=1)):
            if found and number == 0:
                continue  # the likeliest of everything came first
            found.append(
                {
                    name: values[min(number, len(values) - 1) if name in varied else 0]
                    for name, values in options.items()
                }
            )
    return found


def _fewer(alternatives: list[Inputs], first: list[bool]) -> list[Inputs]:
    """As many alternatives as the limit allows, the likeliest of every group of names among them."""
    spare = MAX_INPUT_CHOICES - sum(first)
    kept: list[Inputs] = []
    for inputs, leads in zip(alternatives, first, strict=True):
        spare -= not leads
        if leads or spare >= 0:
            kept.append(inputs)
    return kept[:MAX_INPUT_CHOICES]


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


def _with_companions(names: list[str], available: list[str]) -> list[str]:
    extra = [
        other for name in names for other in _COMPANIONS.get(name, ()) if other in available and other not in names
    ]
    return [*names, *dict.fromkeys(extra)]


def _options(
    name: str, sizes: Sizes, names: list[str], annotation: ir.Expr | None, instance: Instance, required: bool
) -> list[Value]:
    maker = KNOWN.get(name)
    if maker is not None:
        return maker(sizes, names)
    if not required:
        return []
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
        return [_i(BATCH, SEQUENCE), _i(SEQUENCE)]
    widths = sizes.hidden()
    streams: list[Value] = [_f(BATCH, SEQUENCE, width) for width in widths[:2]]
    if name.endswith(("_ids", "_id", "_index", "indices")):
        return [_i(BATCH, SEQUENCE)]
    if "mask" in name:
        return [_b(BATCH, SEQUENCE), _f(1, 1, SEQUENCE, SEQUENCE)]
    if name in ("freqs_cis", "mask", "cache"):
        return []
    if _has_embedding(instance):
        return [_i(BATCH, SEQUENCE), _i(SEQUENCE), *streams]
    return [*streams, _i(BATCH, SEQUENCE)]


def _has_embedding(module: Value, depth: int = 0) -> bool:
    """Whether a module looks tokens up: it, or a direct part of it, holds an embedding table."""
    if not isinstance(module, Instance) or depth > 2:
        return False
    if any(isinstance(base, ClassVal) and "Embedding" in base.name for base in module.cls.mro):
        return True
    return any(_has_embedding(child, depth + 1) for child in (module.attrs.get("_modules") or {}).values())


__all__ = ["BATCH", "SEQUENCE", "TARGET", "TEXT", "attribute", "entry_inputs", "known"]
