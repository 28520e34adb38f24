"""Sizes of inputs as a configuration gives them, by the settings' usual names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from specdiff.interp.dims import Dim
from specdiff.interp.lookups import lookup
from specdiff.interp.objects import Instance, Value
from specdiff.interp.tracked import Tracked, plain

BATCH = Dim.symbol("batch")
SEQUENCE = Dim.symbol("sequence")
TARGET = Dim.symbol("target_sequence")
SAMPLES = 16000
"""Samples of the example sound, a second of it at the usual rate. Sizes of pictures and sounds are numbers, because
strides and paddings make no readable expressions of symbols."""
FRAMES = 256
"""Frames of the example sound's features."""

VISION = ("vision_config", "vit_config", "visual_config", "image_config", "backbone_config", "encoder", "vision")
AUDIO = ("audio_config", "audio_encoder_config", "speech_config", "encoder_config", "encoder", "acoustic_config")
TEXT = ("text_config", "decoder", "language_config", "llm_config", "decoder_config")
_ANY = (*VISION, *AUDIO, *TEXT, "thinker_config", "qformer_config")
MAP_SIDE = 16
"""Rows and columns of a feature map that is given by itself."""
PICTURE_SIDE = 224
"""Rows and columns of a picture of which nobody gives the size."""
COLOURS = 3
GRID = (4, 6)
"""Merged patches of the example image, rows and columns; not square, so that the two cannot be confused."""


def attribute(holder: Value, name: str) -> Value:
    """A configuration's value under a name or the name it stands for; None where it has none."""
    if isinstance(holder, dict):
        return plain(holder.get(name))
    if not isinstance(holder, Instance):
        return None
    value = plain(holder.attrs.get(name)) if name in holder.attrs else None
    if value is None:
        renames = lookup(holder.cls, "attribute_map")[0]
        if isinstance(renames, dict) and name in renames:
            value = holder.attrs.get(renames[name])
    return value.observe() if isinstance(value, Tracked) else value


class Sizes:
    """Reads the sizes of inputs from a configuration."""

    def __init__(self, config: Value) -> None:
        self.config = config

    def _holders(self, places: tuple[str, ...]) -> Iterator[Value]:
        """Parts of the configuration before the whole, then everything else in it."""
        for place in places:
            part = attribute(self.config, place)
            if isinstance(part, Instance):
                yield part
                for deeper in places:
                    inner = attribute(part, deeper)
                    if isinstance(inner, Instance):
                        yield inner
        yield self.config
        thinker = attribute(self.config, "thinker_config")
        if isinstance(thinker, Instance):
            yield from Sizes(thinker)._holders(places)  # noqa: SLF001 - the same class

    def value(self, names: tuple[str, ...], places: tuple[str, ...] = _ANY) -> Any:
        """The first number, or list of numbers, among some settings."""
        for holder in self._holders(places):
            for name in names:
                value = attribute(holder, name)
                if isinstance(value, list | tuple) and value and isinstance(value[0], int | float):
                    return value
                if isinstance(value, int) and not isinstance(value, bool):
                    return value
        return None

    def number(self, names: tuple[str, ...], default: int, places: tuple[str, ...] = _ANY) -> int:
        """The first number among some settings; of a list, its first."""
        value = self.value(names, places)
        if isinstance(value, list | tuple):
            value = value[0]
        return value if isinstance(value, int) else default

    def pair(self, names: tuple[str, ...], default: int, places: tuple[str, ...] = _ANY) -> tuple[int, int]:
        """A height and a width."""
        value = self.value(names, places)
        if isinstance(value, list | tuple) and isinstance(value[0], int) and isinstance(value[-1], int):
            return (value[-2], value[-1]) if len(value) > 1 else (value[0], value[0])
        size = value if isinstance(value, int) else default
        return size, size

    def hidden(self, places: tuple[str, ...] = ()) -> list[int]:
        """Widths that a stream of hidden states may have, the likeliest first."""
        names = (
            "hidden_size",
            "d_model",
            "hidden_dim",
            "encoder_hidden_dim",
            "embed_dim",
            "n_embd",
            "dim",
            "hidden_channels",
            "decoder_hidden_dim",
            "decoder_hidden_size",
            "embedding_size",
            "context_dim",
            "input_size",
            "width",
            "fpn_hidden_size",
        )
        found: list[int] = []
        for holder in [self.config, *(attribute(self.config, place) for place in (places or _ANY))]:
            for name in names:
                value = attribute(holder, name)
                if isinstance(value, int) and not isinstance(value, bool) and value > 0 and value not in found:
                    found.append(value)
        return found or [64]

    def channels(self) -> int:
        """Channels of an image."""
        return self.number(("num_channels", "in_channels", "in_chans", "channels", "image_channels"), 3, VISION)

    def image(self) -> tuple[int, int]:
        """Height and width of an image."""
        size = self.value(("image_size", "input_size", "img_size", "crop_size", "max_img_size"), VISION)
        if isinstance(size, list | tuple):
            numbers = [item for item in size if isinstance(item, int)]
            if len(numbers) >= 2:
                return numbers[-2], numbers[-1]
            size = numbers[0] if numbers else None
        if isinstance(size, int) and size >= 16:
            return size, size
        side = self.number(("patch_size",), 16, VISION) * (self.number(("spatial_merge_size",), 1, VISION))
        whole = max(1, PICTURE_SIDE // side) * side
        return whole, whole

    def divisible_image(self) -> tuple[int, int]:
        """Height and width of an image whose patches can be halved several times, for windows and pyramids."""
        side = self.number(("patch_size",), 16, VISION) * (self.number(("spatial_merge_size",), 1, VISION))
        return (32 * side, 32 * side) if side <= 32 else (4 * side, 4 * side)

    def patch(self) -> tuple[int, int]:
        """Height and width of a patch."""
        return self.pair(("patch_size", "encoder_patch_size"), 16, VISION)

    def frames(self) -> int:
        """Frames of a clip."""
        return self.number(("num_frames", "num_image_with_embedding", "frames_per_clip"), 8, VISION)

    def merge(self) -> int:
        """Patches per side that a merger joins."""
        value = self.value(("spatial_merge_size", "merge_size", "merge_kernel_size"), VISION)
        if isinstance(value, list | tuple):
            value = value[0]
        return value if isinstance(value, int) and value > 0 else 2

    def temporal(self) -> int:
        """Frames per patch."""
        return self.number(("temporal_patch_size", "tubelet_size"), 1, VISION)

    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches of the example image."""
        return GRID[0] * self.merge(), GRID[1] * self.merge()

    def bins(self) -> int:
        """Mel bins of audio features."""
        names = (
            "feature_projection_input_dim",
            "num_mel_bins",
            "feature_size",
            "input_feat_per_channel",
            "n_mels",
            "input_feat_size",
            "mel_bins",
        )
        return self.number((*names, "input_size", "num_mels", "feat_in", "input_dim"), 80, AUDIO)
