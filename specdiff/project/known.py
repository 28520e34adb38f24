"""What the usual names of inputs stand for: shapes by parameter name, several where a name leaves them open."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from specdiff.interp.dims import Dim
from specdiff.interp.objects import Value
from specdiff.interp.values import Tensor
from specdiff.project.sizes import BATCH, FRAMES, SAMPLES, SEQUENCE, TARGET, VISION, Sizes

Maker = Callable[[Sizes, list[str]], list[Value]]
"""From the configuration and the names of all parameters to the alternatives for one."""

GRIDS = ("image_grid_thw", "grid_thw", "image_grid_hws", "grid_hws", "image_grid_hw", "grid_hw", "video_grid_thw")
_MAPS = [[8, 12], [4, 6], [2, 3], [1, 2]]
"""Rows and columns of the feature maps of several levels."""
_PATCH_POSITIONS = ("pixel_position_ids", "image_position_ids", "spatial_shapes")


def floats(*shape: Any) -> Tensor:
    """A tensor of numbers."""
    return Tensor(shape, "float32")


def integers(*shape: Any) -> Tensor:
    """A tensor of whole numbers."""
    return Tensor(shape, "int64")


def booleans(*shape: Any) -> Tensor:
    """A tensor of truth values."""
    return Tensor(shape, "bool")


def known(rows: list[Any]) -> Tensor:
    """A tensor of integers whose content is given."""
    import numpy  # noqa: PLC0415 - only where such an input is needed

    array = numpy.array(rows)
    return Tensor(array.shape, "int64", const=array)


def _tokens(length: Any) -> Maker:
    def make(sizes: Sizes, names: list[str]) -> list[Value]:
        books = sizes.number(("num_codebooks", "n_codebooks", "num_codebook", "audio_channels", "channels"), 8)
        return [
            integers(BATCH, length),
            integers(BATCH, length, books),
            integers(BATCH, books, length),
            integers(length),
        ]

    return make


def _flat_patches(sizes: Sizes) -> Tensor:
    rows, columns = sizes.grid()
    height, width = sizes.patch()
    return floats(rows * columns, sizes.channels() * sizes.temporal() * height * width)


def _packed(sizes: Sizes, batch: Any) -> Tensor:
    rows, columns = sizes.grid()
    height, width = sizes.patch()
    return floats(batch, rows * columns, sizes.channels() * height * width)


_USUAL_BINS = 128
"""Mel bins of models whose configuration leaves them out: their layers have them as a number."""


def _pixels(sizes: Sizes, names: list[str]) -> list[Value]:
    channels, (height, width) = sizes.channels(), sizes.image()
    image = floats(BATCH, channels, height, width)
    clip = floats(BATCH, sizes.frames(), channels, height, width)
    tiles = floats(BATCH, 1, sizes.number(("max_num_tiles",), 4, VISION), channels, height, width)
    crops = floats(BATCH, 1, channels, height, width)
    rows, columns = sizes.grid()
    patch = sizes.patch()
    patches = floats(rows * columns, channels, *patch)
    flat = _flat_patches(sizes)
    packed = _packed(sizes, 1)
    if any(name in names for name in GRIDS):
        return [flat, patches, packed, floats(1, rows * columns, channels, *patch), image, clip]
    if any(name in names for name in _PATCH_POSITIONS):
        return [packed, flat, image, clip]
    if "aspect_ratio_ids" in names:
        return [tiles, image]
    if "pixel_attention_mask" in names or "image_sizes" in names or "num_crops" in names:
        # One image where its size is given as well: code that cuts each image to its own size iterates over the two.
        alone = [floats(1, channels, height, width)] if "image_sizes" in names else []
        return [crops, *alone, image, packed, clip, flat]
    if sizes.value(("num_frames",), ()) is not None:
        return [clip, image, flat]
    divisible = floats(BATCH, channels, *sizes.divisible_image())
    return [image, clip, crops, divisible, packed, flat, floats(BATCH, 2, channels, height, width)]


def _clips(sizes: Sizes, names: list[str]) -> list[Value]:
    channels, (height, width) = sizes.channels(), sizes.image()
    clip = floats(BATCH, sizes.frames(), channels, height, width)
    if any(name in names for name in GRIDS):
        return [_flat_patches(sizes), clip]
    return [clip, floats(BATCH, channels, sizes.frames(), height, width)]


def _grid(sizes: Sizes, names: list[str]) -> list[Value]:
    return [known([[1, *sizes.grid()]])]


def _plane(sizes: Sizes, names: list[str]) -> list[Value]:
    return [known([list(sizes.grid())])]


def _waves(sizes: Sizes, names: list[str]) -> list[Value]:
    channels = sizes.number(("audio_channels", "num_channels", "in_channels"), 1)
    length = sizes.number(("max_length",), 1024)
    rate = sizes.number(("sampling_rate", "sample_rate"), 16000)
    spectrum = floats(BATCH, length, sizes.bins())
    # Where positions see a window, the sound is longer than that, so that its end shows.
    steps = sizes.value(("upsampling_ratios", "downsampling_ratios"), ())
    window = sizes.number(("sliding_window",), 0, ()) if isinstance(steps, list | tuple) else 0
    samples = max(SAMPLES, (window + 17) * math.prod(steps)) if window else SAMPLES
    wave, chunk = floats(BATCH, samples), floats(BATCH, channels, samples)
    second = floats(BATCH, channels, rate), floats(BATCH, rate)
    if sizes.value(("num_mel_bins",), ()) is not None and sizes.value(("conv_dim",), ()) is None:
        return [spectrum, wave, chunk]
    if sizes.value(("audio_channels", "codebook_size"), ()) is not None:
        return [chunk, second[0], wave]
    return [wave, chunk, *reversed(second)]


def _features(sizes: Sizes, names: list[str]) -> list[Value]:
    bins = sizes.bins()
    positions = sizes.value(("max_source_positions", "n_audio_ctx"), ("audio_config", "encoder_config"))
    rows, columns = floats(BATCH, bins, FRAMES), floats(BATCH, FRAMES, bins)
    usual = floats(BATCH, FRAMES, _USUAL_BINS)
    spectrogram = floats(BATCH, 1, sizes.number(("spec_size",), 1024), bins)
    if isinstance(positions, int) and sizes.value(("num_mel_bins", "n_mels")) is not None:
        return [floats(BATCH, bins, 2 * positions), columns, rows]
    if sizes.value(("spec_size",)) is not None:
        return [spectrogram, columns]
    return [columns, rows, usual, floats(BATCH, bins, 3000), floats(BATCH, 3000, bins), spectrogram]


_MAP = (16, 24)
"""Rows and columns of a feature map between two parts of a model."""


def _stream(*places: str, length: Any = SEQUENCE) -> Maker:
    def make(sizes: Sizes, names: list[str]) -> list[Value]:
        made: list[Value] = []
        if any(name in names for name in GRIDS):
            rows, columns = sizes.grid()
            made += [_flat_patches(sizes), *[floats(rows * columns, width) for width in sizes.hidden(places)[:2]]]
        widths = sizes.hidden(places)
        streams: list[Value] = [*made, *[floats(BATCH, length, width) for width in widths[:3]]]
        if sizes.value(("num_channels", "in_channels", "in_chans"), ()) is not None and not made:
            streams.insert(1, floats(BATCH, sizes.channels(), *sizes.image()))
        first = sizes.number(("hidden_sizes", "embed_dims", "dims"), widths[0])
        return [
            *streams,
            floats(length, widths[0]),
            *[floats(BATCH, width, *_MAP) for width in {widths[0]: 0, first: 0}],
        ]

    return make


def _series(sizes: Sizes, names: list[str]) -> list[Value]:
    history = sizes.number(("context_length", "history_length"), 64)
    lags = sizes.value(("lags_sequence",), ())
    channels = sizes.number(("num_input_channels", "input_size"), 1)
    if isinstance(lags, list | tuple):
        length = history + max(lags)
        return [floats(BATCH, length, channels) if channels > 1 else floats(BATCH, length)]
    return [floats(BATCH, history, channels), floats(BATCH, history), floats(BATCH, SEQUENCE)]


def _future(sizes: Sizes, names: list[str]) -> list[Value]:
    channels = sizes.number(("input_size",), 1)
    length = sizes.number(("prediction_length",), 24)
    return [floats(BATCH, length, channels) if channels > 1 else floats(BATCH, length)]


def _time_features(which: str) -> Maker:
    def make(sizes: Sizes, names: list[str]) -> list[Value]:
        count = sizes.number(("num_time_features",), 0, ())
        series = _series(sizes, names) if which == "past" else _future(sizes, names)
        return [floats(*series[0].shape[:2], count)]

    return make


def _boxes(sizes: Sizes, names: list[str]) -> list[Value]:
    return [integers(BATCH, SEQUENCE, 4), floats(BATCH, SEQUENCE, 8), floats(BATCH, SEQUENCE, 4)]


def _masked_patches(sizes: Sizes, names: list[str]) -> list[Value]:
    (height, width), (rows, columns) = sizes.image(), sizes.patch()
    count: Any = (height // rows) * (width // columns)
    if sizes.value(("num_frames",), ()) is not None:
        count = sizes.frames() // sizes.temporal() * count
    return [booleans(BATCH, count)]


def _spectrogram(sizes: Sizes, names: list[str]) -> list[Value]:
    bins = sizes.number(("num_mel_bins", "model_in_dim", "mel_dim", "num_mels"), 80)
    return [floats(BATCH, FRAMES, bins), floats(BATCH, bins, FRAMES)]


def _flattened(sizes: Sizes, names: list[str]) -> list[Value]:
    height, width = sizes.patch()
    return [floats(BATCH, SEQUENCE, 2 + sizes.channels() * height * width)]


def _levels(sizes: Sizes, names: list[str]) -> list[Value]:
    return [known(_MAPS[: sizes.number(("num_feature_levels", "num_levels"), 3)])]


def _level_pixels(sizes: Sizes) -> int:
    return sum(rows * columns for rows, columns in _levels(sizes, [])[0].const.tolist())


def _queries(sizes: Sizes) -> int:
    return sizes.number(("num_queries", "num_query_tokens"), 100)


def _object_queries(sizes: Sizes, names: list[str]) -> list[Value]:
    return [floats(BATCH, _queries(sizes), width) for width in sizes.hidden()[:2]]


KNOWN: dict[str, Maker] = {
    "input_ids": _tokens(SEQUENCE),
    "decoder_input_ids": _tokens(TARGET),
    "qformer_input_ids": _tokens(Dim.symbol("query_sequence")),
    "audio_input_ids": _tokens(SEQUENCE),
    "codes": _tokens(SEQUENCE),
    "audio_codes": _tokens(SEQUENCE),
    "classes_input_ids": _tokens(SEQUENCE),
    "tasks_input_ids": _tokens(SEQUENCE),
    "task_inputs": lambda sizes, names: [integers(BATCH, sizes.number(("task_seq_len",), 77))],
    "pixel_values": _pixels,
    "pixel_values_videos": _clips,
    "image": _pixels,
    "prompt_pixel_values": _pixels,
    "prompt_masks": lambda sizes, names: [floats(BATCH, 3, *sizes.image())],
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
    "pixel_position_ids": lambda sizes, names: [integers(1, sizes.grid()[0] * sizes.grid()[1], 2)],
    "image_position_ids": lambda sizes, names: [integers(1, sizes.grid()[0] * sizes.grid()[1], 2)],
    "pixel_attention_mask": lambda sizes, names: [
        integers(1, sizes.grid()[0] * sizes.grid()[1])
        if "spatial_shapes" in names
        else booleans(BATCH, 1, *sizes.image())
    ],
    "spatial_shapes": lambda sizes, names: (
        _levels(sizes, names)
        if "level_start_index" in names or "encoder_hidden_states" in names
        else _plane(sizes, names)
    ),
    "spatial_shapes_list": lambda sizes, names: [[tuple(row) for row in _levels(sizes, names)[0].const.tolist()]],
    "level_start_index": lambda sizes, names: [known([0, 96, 120, 126][: len(_levels(sizes, names)[0].const)])],
    "valid_ratios": lambda sizes, names: [floats(BATCH, len(_levels(sizes, names)[0].const), 2)],
    "reference_points": lambda sizes, names: [floats(BATCH, _queries(sizes), 4), floats(BATCH, _queries(sizes), 2)],
    "aspect_ratio_ids": lambda sizes, names: [integers(BATCH, 1)],
    "aspect_ratio_mask": lambda sizes, names: [integers(BATCH, 1, sizes.number(("max_num_tiles",), 4))],
    "input_values": _waves,
    "input_features": _features,
    "input_features_mask": lambda sizes, names: [booleans(*_features(sizes, names)[0].shape[:2])],
    **dict.fromkeys(("audio_mel", "mel", "mels"), _features),
    "audio_mel_mask": lambda sizes, names: [booleans(BATCH, FRAMES)],
    "spectrogram": _spectrogram,
    "mel_spectrogram": _spectrogram,
    "hidden_states": _stream(),
    "inputs_embeds": lambda sizes, names: (
        _object_queries(sizes, names) if "reference_points" in names else _stream()(sizes, names)
    ),
    "encoder_hidden_states": lambda sizes, names: (
        [floats(BATCH, _level_pixels(sizes), width) for width in sizes.hidden()[:2]]
        if "spatial_shapes" in names
        else [
            floats(BATCH, Dim.symbol("source_sequence"), width)
            for width in (
                sizes.value(("cross_hidden_size", "encoder_hidden_size", "cross_attention_hidden_size"), ()),
                *sizes.hidden(),
            )
            if isinstance(width, int)
        ]
    ),
    "query_embeds": lambda sizes, names: [
        floats(BATCH, sizes.number(("num_query_tokens",), 32), w) for w in sizes.hidden()
    ],
    "past_values": _series,
    "past_observed_mask": _series,
    "past_time_features": _time_features("past"),
    "future_time_features": _time_features("future"),
    "future_values": _future,
    "static_categorical_features": lambda sizes, names: [
        integers(BATCH, sizes.number(("num_static_categorical_features",), 1, ()))
    ],
    "static_real_features": lambda sizes, names: [floats(BATCH, sizes.number(("num_static_real_features",), 1, ()))],
    "bbox": _boxes,
    "bool_masked_pos": _masked_patches,
    "attention_mask": lambda sizes, names: [integers(BATCH, SEQUENCE)],
    "mm_token_type_ids": lambda sizes, names: [integers(BATCH, SEQUENCE)],
    "tokens": _tokens(SEQUENCE),
    "token_ids": _tokens(SEQUENCE),
    "idx": _tokens(SEQUENCE),
    "text": _tokens(SEQUENCE),
    "positions": lambda sizes, names: [integers(BATCH, SEQUENCE), integers(SEQUENCE)],
}
"""Inputs by parameter name."""
