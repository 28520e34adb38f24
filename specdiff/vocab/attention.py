"""Keys about attention and positions."""

from __future__ import annotations

from specdiff.vocab.entries import DECLARED, boolean, choice, group, integer, layers, listing, number
from specdiff.vocab.model import Choice, ValueType

TRANSFORMER = "Vaswani et al. 2017, arXiv:1706.03762"
GPT_OSS = "gpt-oss model card, arXiv:2508.10925, section 2.2"
MLA = "DeepSeek-V2, arXiv:2405.04434, section 2.1"
ROPE = "Su et al. 2021 (RoFormer), arXiv:2104.09864"
YARN = "Peng et al. 2023 (YaRN), arXiv:2309.00071"
LONGROPE = "Ding et al. 2024 (LongRoPE), arXiv:2402.13753"
LLAMA31 = "Llama 3, arXiv:2407.21783; publisher's code (`apply_scaling`)"

ATTENTION = group(
    "attention",
    "Attention",
    "The attention of the layers that have one. A grouped or latent kind is what the shapes say.",
    choice(
        "attention.kind",
        "How queries share keys and values.",
        "MQA: arXiv:1911.02150; GQA: arXiv:2305.13245; MLA: arXiv:2405.04434",
        (
            Choice("mha", "every query head has its own key and value head", ("multi_head",)),
            Choice("gqa", "groups of query heads share a key and value head", ("grouped_query",)),
            Choice("mqa", "all query heads share one key and value head", ("multi_query",)),
            Choice("mla", "keys and values come from a low-rank latent", ("multi_head_latent",)),
            Choice("linear", "no softmax: a running state (see `linear_attention`)", ()),
            Choice("none", "no attention", ()),
        ),
        implied_by=("attention.kv_heads", "attention.mla.kv_rank"),
    ),
    integer("attention.heads", "Query heads per layer.", f"{TRANSFORMER}, section 3.2.2", unit="heads"),
    integer(
        "attention.kv_heads", "Key and value heads per layer.", "Ainslie et al. 2023, arXiv:2305.13245", unit="heads"
    ),
    integer(
        "attention.head_dim",
        "Width of one query and key head, rotary part included.",
        f"{TRANSFORMER}, section 3.2.2",
        unit="channels",
    ),
    integer(
        "attention.v_head_dim",
        "Width of one value head where it differs from the key's.",
        MLA,
        unit="channels",
        implied_by=("attention.mla.v_dim",),
    ),
    boolean("attention.bias.q", "The query projection adds a bias.", TRANSFORMER),
    boolean("attention.bias.k", "The key projection adds a bias.", TRANSFORMER),
    boolean("attention.bias.v", "The value projection adds a bias.", TRANSFORMER),
    boolean("attention.bias.o", "The output projection adds a bias.", TRANSFORMER),
    boolean(
        "attention.fused_qkv",
        "Query, key and value come from one weight.",
        "Megatron-LM, arXiv:1909.08053",
        implied_by=("attention.heads",),
    ),
    number(
        "attention.scale",
        "Factor on query times key before the softmax.",
        f"{TRANSFORMER}, section 3.2.1 (head_dim ** -0.5)",
    ),
    number("attention.softcap", "c in c·tanh(x/c) over the attention logits.", "Gemma 2, arXiv:2408.00118, section 2"),
    number(
        "attention.clip_qkv",
        "Queries, keys and values are clamped to plus or minus this.",
        "MPT-30B, DBRX; OLMo, arXiv:2402.00838",
    ),
    boolean(
        "attention.output_gate",
        "Attention's output is multiplied with a learned gate before the output projection.",
        "Qiu et al. 2025, arXiv:2505.06708",
    ),
    boolean("attention.causal", "A position sees itself and earlier ones only.", f"{TRANSFORMER}, section 3.2.3"),
    boolean(
        "attention.prefix",
        "Positions of a prefix (an image, a prompt) see each other both ways, the rest is causal.",
        "PaliGemma, arXiv:2407.07726; T5, arXiv:1910.10683, section 3.2.1",
    ),
    choice(
        "attention.softmax_dtype",
        "Number format the attention softmax is computed in.",
        "common practice in publishers' code",
        (Choice("float32", "cast to 32 bits first", ("fp32",)), Choice("input", "as the scores come", ("same",))),
    ),
    choice(
        "attention.qk_norm",
        "Normalisation of queries and keys.",
        "Henry et al. 2020, arXiv:2010.04245; ViT-22B, arXiv:2302.05442",
        (
            Choice("none", "no normalisation", ()),
            Choice("rms", "RMSNorm", ("rmsnorm",)),
            Choice("layer", "LayerNorm", ("layernorm",)),
            Choice("l2", "Euclidean (or RMS) norm without a learned weight", ("rms_no_weight",)),
        ),
    ),
    choice(
        "attention.qk_norm.scope",
        "What one normalisation spans.",
        "per head: Qwen3, arXiv:2505.09388; whole: OLMo 2, arXiv:2501.00656",
        (
            Choice("per_head", "each head by itself", ("head",)),
            Choice("whole", "the whole projection across heads", ("full", "all_heads")),
        ),
    ),
    choice(
        "attention.qk_norm.order",
        "Whether the norm stands before or after the rotary embedding.",
        "Qwen3, arXiv:2505.09388; Llama 4 publisher's code",
        (Choice("before_rotary", "norm, then rotation", ()), Choice("after_rotary", "rotation, then norm", ())),
    ),
    layers(
        "attention.qk_norm.layers",
        "Layers whose queries and keys are normalised.",
        "Llama 4 publisher's code (layers with rotary only)",
    ),
    choice(
        "attention.sinks",
        "A place for attention weight to go when nothing is worth attending to.",
        f"Xiao et al. 2023, arXiv:2309.17453; {GPT_OSS}",
        (
            Choice("none", "no sink", ()),
            Choice(
                "learned_logit",
                "a learned number that joins the softmax's denominator",
                ("learned", "learned_bias", "logit"),
            ),
            Choice(
                "zero_logit",
                "a constant zero that joins the softmax's denominator (softmax off by one)",
                ("off_by_one",),
            ),
            Choice("token", "learned key and value that every query sees", ("learned_token",)),
            Choice("first_tokens", "the first tokens stay visible outside of the window", ("initial_tokens",)),
        ),
    ),
    integer(
        "attention.sinks.count",
        "Tokens that every query sees beside its window, or beside the sequence.",
        "Xiao et al. 2023 (StreamingLLM), arXiv:2309.17453; Hymba, arXiv:2411.13676",
        unit="tokens",
    ),
    boolean("attention.sinks.per_head", "Each head has a sink of its own.", GPT_OSS),
    boolean("attention.sinks.dropped", "The sink's share of the weights is thrown away after the softmax.", GPT_OSS),
    integer(
        "attention.window.size",
        "Positions a query sees in a layer with a window, itself included (two-sided windows: both sides together).",
        "Beltagy et al. 2020, arXiv:2004.05150; Mistral 7B, arXiv:2310.06825",
        unit="tokens",
    ),
    layers(
        "attention.window.layers",
        "Layers whose attention has a window.",
        "Child et al. 2019, arXiv:1904.10509; Gemma 2, arXiv:2408.00118",
        implied_by=("layers.pattern",),
    ),
    integer(
        "attention.window.shift",
        "How far every other layer's windows are shifted.",
        "Swin, arXiv:2103.14030, section 3.2",
        unit="patches",
        neutral=0,
    ),
    integer(
        "attention.chunk.size",
        "Positions per chunk in a layer with chunked attention.",
        "Llama 4 publisher's code (`attention_chunk_size`)",
        unit="tokens",
    ),
    integer(
        "attention.kv_shared_layers",
        "Layers that reuse keys and values of an earlier layer.",
        "Brandon et al. 2024, arXiv:2405.12981",
        unit="layers",
        neutral=0,
    ),
    number(
        "attention.temperature.scale",
        "Strength of a query scale that grows with the logarithm of the position.",
        "Llama 4 publisher's code (`attn_scale`); Nakanishi 2025, arXiv:2501.19399",
        neutral=0.0,
    ),
    integer(
        "attention.temperature.floor",
        "Position from which that scale starts to grow.",
        "Llama 4 publisher's code (`floor_scale`)",
        unit="tokens",
    ),
    integer("attention.mla.q_rank", "Width of the query latent.", MLA, unit="channels"),
    integer("attention.mla.kv_rank", "Width of the key and value latent.", MLA, unit="channels"),
    integer("attention.mla.rope_dim", "Width of a head's rotary part.", MLA, unit="channels"),
    integer("attention.mla.nope_dim", "Width of a head's part without rotation.", MLA, unit="channels"),
    integer("attention.mla.v_dim", "Width of a value head.", MLA, unit="channels"),
    integer(
        "attention.indexer.heads",
        "Heads of the indexer that picks positions.",
        "DeepSeek-V3.2 report, section 2.1",
        unit="heads",
    ),
    integer(
        "attention.indexer.head_dim", "Width of an indexer head.", "DeepSeek-V3.2 report, section 2.1", unit="channels"
    ),
    integer(
        "attention.indexer.top_k",
        "Positions that a query attends to; code takes no more than the sequence has.",
        "DeepSeek-V3.2 report, section 2.1",
        unit="tokens",
        level=DECLARED,
    ),
)

POSITION = group(
    "position",
    "Position",
    "How the model knows the order of its input.",
    choice(
        "position",
        "Kind of position information.",
        "RoPE: arXiv:2104.09864; ALiBi: arXiv:2108.12409; T5: arXiv:1910.10683",
        (
            Choice("rope", "rotary embedding of queries and keys", ("rotary",)),
            Choice("learned", "a learned vector per position, added to the input", ("absolute", "learned_absolute")),
            Choice("sinusoidal", "fixed sines and cosines, added to the input", ()),
            Choice("alibi", "a bias per head that falls with distance", ()),
            Choice("relative_bias", "a learned bias per head and bucket of distances", ("t5",)),
            Choice("disentangled", "learned relative positions with their own queries and keys (DeBERTa)", ()),
            Choice("conv", "a convolution over the sequence", ("convolutional",)),
            Choice("none", "nothing (recurrence or causality alone)", ("nope",)),
        ),
    ),
    integer(
        "position.offset",
        "Rows skipped at the start of the table of learned positions.",
        "OPT publisher's code (offset 2)",
        neutral=0,
    ),
    integer("position.table_size", "Rows of the table of learned or fixed positions.", TRANSFORMER, unit="positions"),
    integer(
        "position.conv_kernel",
        "Width of the convolution that gives positions.",
        "wav2vec 2.0, arXiv:2006.11477, section 2",
        unit="frames",
    ),
    integer(
        "position.conv_groups",
        "Its groups.",
        "wav2vec 2.0, arXiv:2006.11477, section 4.2",
        unit="groups",
    ),
    listing(
        "disentangled.terms",
        ValueType.NAMES,
        "Which products relative positions take part in: `c2p` (content to position), `p2c`, `p2p`.",
        "DeBERTa, arXiv:2006.03654, section 3.1",
    ),
    number("rope.theta", "Base of the rotary frequencies.", f"{ROPE}, section 3.2.2"),
    integer(
        "rope.dims",
        "Channels of a head that are rotated.",
        "GPT-J; GPT-NeoX-20B, arXiv:2204.06745, section 2.1",
        unit="channels",
        implied_by=("rope.fraction", "attention.mla.rope_dim"),
    ),
    number(
        "rope.fraction",
        "Share of a head's channels that are rotated.",
        "GPT-NeoX-20B, arXiv:2204.06745, section 2.1",
        neutral=1.0,
        implied_by=("rope.dims", "attention.mla.rope_dim"),
    ),
    choice(
        "rope.style",
        "Which channels are rotated together.",
        f"interleaved: {ROPE}; half: GPT-NeoX-20B, arXiv:2204.06745",
        (
            Choice("half", "channel i with channel i + dims/2", ("neox", "rotate_half", "split")),
            Choice("interleaved", "channel 2i with channel 2i + 1", ("gptj", "rotate_every_two", "pairs")),
        ),
    ),
    layers(
        "rope.layers",
        "Layers that rotate queries and keys; the others use no position.",
        "Kazemnejad et al. 2023 (NoPE), arXiv:2305.19466; SmolLM3, Llama 4",
    ),
    number(
        "rope.local_theta",
        "Base of the rotary frequencies in layers with a window, where it differs.",
        "Gemma 3, arXiv:2503.19786, section 2",
    ),
    listing(
        "rope.sections",
        ValueType.INTEGERS,
        "Channel pairs per axis (time, height, width) of a multi-axis rotation.",
        "Qwen2-VL, arXiv:2409.12191, section 2.1",
        unit="channel pairs",
    ),
    choice(
        "rope.scaling.type",
        "How rotary frequencies are changed for longer inputs.",
        "linear: arXiv:2306.15595; YaRN: arXiv:2309.00071; LongRoPE: arXiv:2402.13753",
        (
            Choice("none", "unchanged", ("default",)),
            Choice("linear", "all frequencies divided by the factor", ("position_interpolation",)),
            Choice("dynamic", "base grows with the input's length (dynamic NTK)", ("dynamic_ntk", "ntk")),
            Choice("yarn", "low frequencies divided, high ones kept, a ramp between", ()),
            Choice("longrope", "one searched factor per frequency", ("su",)),
            Choice("llama3", "low frequencies divided, high ones kept, by wavelength", ()),
            Choice("proportional", "the unrotated share takes part in the frequencies' spacing", ()),
        ),
    ),
    number("rope.scaling.factor", "How many times longer the input may become.", YARN),
    integer("rope.scaling.original_context", "Context length before scaling.", YARN, unit="tokens"),
    number("rope.scaling.beta_fast", "Rotations above which a frequency is kept.", f"{YARN}, section 3.2"),
    number(
        "rope.scaling.beta_slow", "Rotations below which a frequency is divided by the factor.", f"{YARN}, section 3.2"
    ),
    boolean(
        "rope.scaling.truncate",
        "The ramp's ends are rounded to whole channels.",
        f"gpt-oss publisher's config.json (`truncate`); {YARN}",
    ),
    number(
        "rope.scaling.mscale", "Multiplier inside YaRN's attention factor.", "DeepSeek-V2 publisher's code (`mscale`)"
    ),
    number(
        "rope.scaling.mscale_all_dim",
        "The same for all channels, which scales attention itself.",
        "DeepSeek-V2 publisher's code (`mscale_all_dim`)",
    ),
    number(
        "rope.scaling.attention_factor",
        "Factor on the rotated queries' and keys' sines and cosines.",
        f"{YARN}, section 3.4",
    ),
    number("rope.scaling.low_freq_factor", "Wavelengths above original context / this are divided.", LLAMA31),
    number("rope.scaling.high_freq_factor", "Wavelengths below original context / this are kept.", LLAMA31),
    listing(
        "rope.scaling.short_factor", ValueType.NUMBERS, "Divisor per frequency within the original context.", LONGROPE
    ),
    listing(
        "rope.scaling.long_factor", ValueType.NUMBERS, "Divisor per frequency beyond the original context.", LONGROPE
    ),
    number(
        "alibi.max_bias",
        "m where head i of n has the slope 2^(-m·i/n).",
        "Press et al. 2021, arXiv:2108.12409, section 3",
    ),
    integer(
        "relative_bias.buckets",
        "Buckets of distances.",
        "Raffel et al. 2019 (T5), arXiv:1910.10683, section 2.1",
        unit="buckets",
    ),
    integer(
        "relative_bias.max_distance",
        "Distance beyond which all fall into one bucket.",
        "Raffel et al. 2019 (T5), arXiv:1910.10683, section 2.1",
        unit="tokens",
    ),
    boolean("relative_bias.per_layer", "Each layer has a bias table of its own.", "UMT5 (UniMax), arXiv:2304.09151"),
)

CROSS = group(
    "cross",
    "Cross attention",
    "Attention that reads another sequence. The same words as under `attention`, where they differ.",
    integer("cross_attention.heads", "Query heads.", f"{TRANSFORMER}, section 3.2.3", unit="heads"),
    integer("cross_attention.kv_heads", "Key and value heads.", f"{TRANSFORMER}, section 3.2.3", unit="heads"),
    integer("cross_attention.head_dim", "Width of one head.", f"{TRANSFORMER}, section 3.2.3", unit="channels"),
    layers("cross_attention.layers", "Layers that have cross attention.", f"{TRANSFORMER}, section 3.2.3"),
    boolean(
        "cross_attention.gated",
        "Its output is added through a learned gate.",
        "Flamingo, arXiv:2204.14198, section 2.2",
    ),
)
