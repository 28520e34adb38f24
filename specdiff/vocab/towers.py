"""Keys about vision and audio parts, and what a publisher releases."""

from __future__ import annotations

from specdiff.vocab.entries import DECLARED, boolean, choice, group, integer, listing
from specdiff.vocab.model import Choice, ValueType

VIT = "Dosovitskiy et al. 2020 (ViT), arXiv:2010.11929"
SWIN = "Liu et al. 2021 (Swin), arXiv:2103.14030"
DETR = "Carion et al. 2020 (DETR), arXiv:2005.12872"
WHISPER = "Radford et al. 2022 (Whisper), arXiv:2212.04356"
PUBLISHER = "the publisher's release notes, card or repository"

TOWERS: tuple[tuple[str, str], ...] = (
    ("vision", "the image or video encoder of a model that has others"),
    ("audio", "the audio encoder of a model that has others"),
    ("encoder", "the encoder of an encoder-decoder model"),
    ("decoder", "the decoder of an encoder-decoder model"),
)
"""Prefixes under which every key may stand again, with what they mean."""

INPUT = group(
    "input",
    "Images, audio and joining them",
    "For a model that is nothing but a vision or audio model they stand without a prefix.",
    integer("patch_size", "Side of a square image patch.", VIT, unit="pixels"),
    integer("image_size", "Side of the square image the model is configured for.", VIT, level=DECLARED, unit="pixels"),
    integer("channels", "Channels of the input image.", VIT, unit="channels"),
    integer(
        "temporal_patch_size", "Frames that one patch spans.", "Qwen2-VL, arXiv:2409.12191, section 2.1", unit="frames"
    ),
    integer(
        "spatial_merge",
        "Side of the square of patches that is merged into one token.",
        "Qwen2-VL, arXiv:2409.12191, section 2.1",
        unit="patches",
    ),
    boolean("class_token", "A learned token stands before the patches.", VIT),
    integer(
        "register_tokens",
        "Further learned tokens that carry no patch.",
        "Darcet et al. 2023, arXiv:2309.16588",
        unit="tokens",
        neutral=0,
    ),
    choice(
        "pooling",
        "How one vector is made of a sequence.",
        "CLIP, arXiv:2103.00020; SigLIP, arXiv:2303.15343",
        (
            Choice("none", "it is not", ()),
            Choice("class_token", "the class token", ("cls",)),
            Choice("mean", "the mean over positions", ("average",)),
            Choice("attention", "attention with a learned query", ("map",)),
            Choice("last", "the last (end-of-text) token", ("eos",)),
        ),
    ),
    listing("stages.depths", ValueType.INTEGERS, "Blocks per stage of a hierarchical model.", SWIN, unit="blocks"),
    listing("stages.sizes", ValueType.INTEGERS, "Width per stage.", SWIN, unit="channels"),
    listing("stages.heads", ValueType.INTEGERS, "Attention heads per stage.", SWIN, unit="heads"),
    integer("object_queries", "Learned queries of a detection decoder.", DETR, unit="queries"),
    integer("classes", "Rows of the classification head.", VIT, unit="classes"),
    integer(
        "tokens_per_image", "Tokens that one image becomes.", "Gemma 3, arXiv:2503.19786, section 2", unit="tokens"
    ),
    listing(
        "backbone",
        ValueType.TEXT,
        "Model type of a feature extractor that the model is built around (`resnet`).",
        DETR,
    ),
    integer(
        "projection_size", "Width of the space in which towers are compared.", "CLIP, arXiv:2103.00020", unit="channels"
    ),
    choice(
        "projector",
        "What carries a tower's output into the language model.",
        "LLaVA, arXiv:2304.08485; BLIP-2, arXiv:2301.12597; Flamingo, arXiv:2204.14198",
        (
            Choice("none", "nothing", ()),
            Choice("linear", "one linear map", ()),
            Choice("mlp", "linear maps with an activation between them", ("mlp2x_gelu", "adapter")),
            Choice("patch_merger", "neighbouring patches joined, then an mlp", ("pixel_shuffle",)),
            Choice("resampler", "learned queries that attend to the tower", ("perceiver",)),
            Choice("qformer", "a transformer with learned queries", ()),
            Choice("cross_attention", "cross-attention layers in the language model", ()),
            Choice("pool", "pooling, then a linear map", ()),
        ),
    ),
    integer("mel_bins", "Mel-frequency bins of the input spectrogram.", WHISPER, unit="bins"),
    integer("max_frames", "Longest input after the convolutions.", WHISPER, level=DECLARED, unit="frames"),
    listing(
        "conv_stem.kernels",
        ValueType.INTEGERS,
        "Kernel widths of the convolutions before the first block.",
        WHISPER,
        unit="samples or frames",
    ),
    listing("conv_stem.strides", ValueType.INTEGERS, "Their strides.", WHISPER, unit="samples or frames"),
    listing(
        "conv_stem.channels",
        ValueType.INTEGERS,
        "Their output channels.",
        "wav2vec 2.0, arXiv:2006.11477",
        unit="channels",
    ),
)

RELEASE = group(
    "release",
    "Release",
    "What the publisher says is open. These stand under `release:` without the prefix, are reported beside the "
    "verdict and never change it.",
    boolean("release.weights", "The weights can be downloaded.", PUBLISHER, level=DECLARED),
    boolean("release.code", "Code that runs the model is published.", PUBLISHER, level=DECLARED),
    boolean("release.training_code", "Code that trains the model is published.", PUBLISHER, level=DECLARED),
    boolean("release.training_data", "The training data are published.", PUBLISHER, level=DECLARED),
    listing(
        "release.license",
        ValueType.TEXT,
        "Licence of the weights, as an SPDX id where there is one.",
        PUBLISHER,
        level=DECLARED,
    ),
    boolean("release.hashes", "Checksums of the weight files are published.", PUBLISHER, level=DECLARED),
    boolean("release.signature", "The weight files are signed.", PUBLISHER, level=DECLARED),
)
