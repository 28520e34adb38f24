"""Keys about the whole model: sizes, embedding, output head, layer pattern, residual stream, normalisation."""

from __future__ import annotations

from specdiff.vocab.entries import BUILT, DECLARED, boolean, choice, group, integer, listing, number, pattern
from specdiff.vocab.model import Choice, ValueType

TRANSFORMER = "Vaswani et al. 2017, arXiv:1706.03762"
FALCON_H1 = "Falcon-H1, arXiv:2507.22448; Yang et al. 2022, arXiv:2203.03466"

SHAPE = group(
    "shape",
    "Shape",
    "Sizes of the whole model, its embedding and its output head.",
    integer("layers", "How many blocks the model stacks; heads for multi-token prediction not counted.", TRANSFORMER),
    integer("hidden_size", "Width of the residual stream.", TRANSFORMER, unit="channels"),
    integer("vocab_size", "Rows of the input embedding, padding rows included.", TRANSFORMER, unit="tokens"),
    integer(
        "context_length",
        "Longest input the configuration allows (`max_position_embeddings` or what the model reads in its place).",
        TRANSFORMER,
        level=DECLARED,
        unit="tokens",
    ),
    choice(
        "dtype",
        "Number format of the published weights, where they are not quantized.",
        "config.json field `dtype` (`torch_dtype` before transformers 5)",
        (
            Choice("float32", "32-bit IEEE", ("fp32", "f32")),
            Choice("float16", "16-bit IEEE", ("fp16", "f16", "half")),
            Choice("bfloat16", "8-bit exponent, 7-bit fraction", ("bf16",)),
            Choice("float8", "8-bit floating point", ("fp8", "float8_e4m3fn", "f8")),
        ),
        level=DECLARED,
    ),
    boolean(
        "embedding.tied",
        "The output head multiplies with the input embedding table itself.",
        "Press and Wolf 2016, arXiv:1608.05859",
        level=BUILT,
    ),
    integer(
        "embedding.size",
        "Width of the embedding table where a projection lies between it and the residual stream.",
        "Lan et al. 2019 (ALBERT), arXiv:1909.11942, section 3.1",
        unit="channels",
    ),
    number(
        "embedding.scale",
        "Factor on the embedded tokens before the first block.",
        f"{TRANSFORMER}, section 3.4",
        neutral=1.0,
    ),
    choice(
        "embedding.norm",
        "Normalisation of the embedded tokens before the first block.",
        "Devlin et al. 2018 (BERT), arXiv:1810.04805; Le Scao et al. 2022 (BLOOM), arXiv:2211.05100",
        (
            Choice("none", "no normalisation", ()),
            Choice("layer", "LayerNorm", ("layernorm",)),
            Choice("rms", "RMSNorm", ("rmsnorm",)),
        ),
    ),
    integer(
        "embedding.token_types",
        "Rows of the table of segment (token type) embeddings.",
        "Devlin et al. 2018 (BERT), arXiv:1810.04805, section 3",
        neutral=0,
    ),
    integer(
        "embedding.per_layer_size",
        "Width of the extra embedding that every layer reads of its own.",
        "Gemma 3n, https://ai.google.dev/gemma/docs/gemma-3n (per-layer embeddings)",
        unit="channels",
    ),
    number(
        "logits.softcap",
        "c in c·tanh(x/c) over the output logits.",
        "Gemma 2, arXiv:2408.00118, section 2",
    ),
    number(
        "logits.scale",
        "Factor on the output logits (a divisor d is written 1/d).",
        "Yang et al. 2022 (maximal update parametrisation), arXiv:2203.03466",
        neutral=1.0,
    ),
    boolean("logits.bias", "The output head adds a bias.", TRANSFORMER, level=BUILT),
    integer(
        "mtp.layers",
        "Extra modules that predict further tokens during training or speculative decoding.",
        "DeepSeek-V3, arXiv:2412.19437, section 2.2",
        neutral=0,
    ),
    number("dropout.embedding", "Dropout probability after the embedding.", TRANSFORMER, level=DECLARED, neutral=0.0),
    number("dropout.attention", "Dropout probability on attention weights.", TRANSFORMER, level=DECLARED, neutral=0.0),
    number("dropout.residual", "Dropout probability on sub-layer outputs.", TRANSFORMER, level=DECLARED, neutral=0.0),
    number("init.std", "Standard deviation that weights are initialised with.", TRANSFORMER, level=DECLARED),
)

LAYER_KINDS = (
    Choice(
        "full",
        "attention over all earlier (or all) positions",
        ("full_attention", "global", "attention", "dense_attention"),
    ),
    Choice(
        "sliding",
        "attention over a window of the nearest positions",
        ("sliding_attention", "local", "windowed", "banded"),
    ),
    Choice("chunked", "attention within fixed chunks of positions", ("chunked_attention",)),
    Choice("sparse", "attention over positions that an indexer or a fixed pattern picks", ("sparse_attention",)),
    Choice(
        "compressed",
        "attention over nearby positions and over keys that stand for several positions each",
        ("compressed_attention", "heavily_compressed_attention"),
    ),
    Choice("linear", "linear attention or a delta rule with a matrix state", ("linear_attention",)),
    Choice("ssm", "state-space or gated linear recurrence", ("mamba", "mamba2", "recurrent")),
    Choice("conv", "short convolution over positions", ("convolution", "short_conv")),
    Choice("hybrid", "attention and a state-space mixer side by side in one block", ("parallel_hybrid",)),
    Choice("cross", "attention that reads another sequence only", ("cross_attention",)),
    Choice("dense", "no token mixing: a feed-forward block that is a layer by itself", ("mlp",)),
    Choice("moe", "no token mixing: a mixture of experts that is a layer by itself", ("experts",)),
)

PATTERN = group(
    "pattern",
    "Layer pattern and residual stream",
    "What each layer does, in order. `layers.pattern` speaks about what mixes tokens; `mlp.pattern` about the "
    "feed-forward part. `dense` and `moe` stand in `layers.pattern` only where such a block is a layer of its own.",
    pattern(
        "layers.pattern",
        "What mixes tokens in each layer.",
        "Beltagy et al. 2020 (Longformer), arXiv:2004.05150; Jamba, arXiv:2403.19887",
        LAYER_KINDS,
    ),
    pattern(
        "mlp.pattern",
        "Feed-forward part of each layer.",
        "GShard, arXiv:2006.16668; DeepSeekMoE, arXiv:2401.06066",
        (
            Choice("dense", "one feed-forward network for every token", ("mlp",)),
            Choice("moe", "experts chosen per token", ("sparse", "experts")),
            Choice("none", "no feed-forward part", ()),
        ),
        implied_by=("moe.layers",),
    ),
    integer(
        "layers.shared_blocks",
        "Distinct sets of weights that a block used at several depths has (ALBERT: 1; Zamba2: 2).",
        "ALBERT, arXiv:1909.11942, section 3.1; Zamba2, arXiv:2411.15242",
        unit="blocks",
    ),
    integer(
        "layers.shared_lora_rank",
        "Rank of the low-rank changes that tell uses of a shared block apart.",
        "Zamba2, arXiv:2411.15242",
        unit="channels",
    ),
    choice(
        "residual",
        "How a block's attention and feed-forward part share the residual stream.",
        f"{TRANSFORMER}; parallel: GPT-J, and GPT-NeoX-20B, arXiv:2204.06745, section 2.1",
        (
            Choice("sequential", "the feed-forward part reads the stream after attention was added", ("serial",)),
            Choice("parallel", "both read the same stream and are added together", ()),
            Choice("missing", "a sub-layer's output replaces the stream, nothing is added", ()),
        ),
    ),
    number(
        "residual.scale",
        "Factor on each sub-layer's output before it is added.",
        "Granite 3.0 (maximal update parametrisation), arXiv:2203.03466",
        neutral=1.0,
    ),
    number(
        "residual.stream_scale",
        "Factor on the stream itself where a sub-layer's output is added.",
        "Wang et al. 2022 (DeepNorm), arXiv:2203.00555",
        neutral=1.0,
    ),
    boolean(
        "residual.layer_scale",
        "A learned factor per channel on each sub-layer's output.",
        "Touvron et al. 2021 (CaiT), arXiv:2103.17239, section 2",
    ),
    integer(
        "residual.streams",
        "Parallel residual streams that blocks mix (AltUp inputs, hyper-connections).",
        "AltUp, arXiv:2301.13310; Hyper-Connections, arXiv:2409.19606",
        neutral=1,
    ),
    integer(
        "residual.low_rank",
        "Rank of a learned low-rank branch beside the residual.",
        "LAuReL, arXiv:2411.07501",
        unit="channels",
    ),
)

NORM = group(
    "norm",
    "Normalisation",
    "The norms inside the blocks and before the output head.",
    choice(
        "norm.kind",
        "Which normalisation.",
        "LayerNorm: arXiv:1607.06450; RMSNorm: arXiv:1910.07467",
        (
            Choice("rms", "divide by the root mean square; no mean subtracted", ("rmsnorm", "rms_norm")),
            Choice(
                "layer",
                "LayerNorm: subtract the mean, divide by the standard deviation",
                ("layernorm", "layer_norm"),
                told_apart=True,
            ),
            Choice("layer_no_affine", "LayerNorm without learned weight and bias", ("non_parametric",), is_a="layer"),
            Choice("batch", "BatchNorm", ("batchnorm",)),
            Choice("group", "GroupNorm", ("groupnorm",)),
            Choice("l2", "divide by the Euclidean norm", ()),
            Choice("dynamic_tanh", "tanh with a learned slope in place of a norm", ("dyt",)),
        ),
    ),
    number("norm.eps", "Constant added to the variance or mean square.", "LayerNorm: arXiv:1607.06450"),
    choice(
        "norm.placement",
        "Where the norms of a block stand.",
        "Xiong et al. 2020, arXiv:2002.04745; sandwich: CogView, arXiv:2105.13290",
        (
            Choice("pre", "before each sub-layer, inside the residual branch", ("pre_norm",), told_apart=True),
            Choice("post", "after the residual addition", ("post_norm",)),
            Choice(
                "sublayer_output",
                "after each sub-layer, before the residual addition, with none before it (OLMo 2, arXiv:2501.00656)",
                ("res_post", "reordered"),
            ),
            Choice("sandwich", "before and after each sub-layer, both inside the branch (Gemma 2)", ("pre_and_post",)),
            Choice("parallel", "before attention and feed-forward that run side by side", (), is_a="pre"),
        ),
    ),
    number(
        "norm.weight_offset",
        "o in (o + weight): the norm multiplies with its weight plus this.",
        "Gemma, arXiv:2403.08295 (publisher's code: `1 + weight`)",
        neutral=0.0,
    ),
    choice(
        "norm.dtype",
        "Number format the statistics are computed in.",
        "Llama's publisher's code (`x.float()`)",
        (
            Choice("float32", "cast to 32 bits first", ("fp32",)),
            Choice("input", "as the input comes", ("same",)),
        ),
    ),
    choice(
        "norm.product_dtype",
        "Number format in which the normalised value is multiplied with the weight.",
        "Gemma's publisher's code (product in 32 bits, then cast) against Llama's (cast, then product)",
        (
            Choice("float32", "in 32 bits, cast back after the product", ("fp32",)),
            Choice("input", "cast back first", ("same",)),
        ),
    ),
    boolean("norm.bias", "The norms add a learned bias.", "LayerNorm: arXiv:1607.06450", level=BUILT),
    integer(
        "norm.per_block",
        "Norms on the residual stream in one block: 1 where a parallel block shares one, 4 for sandwich.",
        "Falcon, arXiv:2311.16867 (7B shares one, 40B has two)",
        unit="norms",
        neutral=0,
    ),
    boolean(
        "norm.final",
        "A norm stands between the last block and the output head.",
        "GPT-2 (Radford et al. 2019), section 2.3",
    ),
)

MULTIPLIERS = group(
    "multipliers",
    "Multipliers",
    "Constant factors inside blocks (maximal update parametrisation). The embedding's is `embedding.scale`, the "
    "output head's `logits.scale`, a sub-layer output's `residual.scale`, a query-key product's `attention.scale`.",
    number("multiplier.attention_in", "Factor on attention's input.", FALCON_H1, neutral=1.0),
    number(
        "multiplier.attention_out",
        "Factor on attention's output.",
        FALCON_H1,
        neutral=1.0,
        implied_by=("residual.scale",),
    ),
    number("multiplier.key", "Factor on the keys.", FALCON_H1, neutral=1.0),
    number("multiplier.ssm_in", "Factor on the state-space mixer's input.", FALCON_H1, neutral=1.0),
    number(
        "multiplier.ssm_out",
        "Factor on the state-space mixer's output.",
        FALCON_H1,
        neutral=1.0,
        implied_by=("residual.scale",),
    ),
    number("multiplier.mlp_gate", "Factor on the feed-forward gate before its activation.", FALCON_H1, neutral=1.0),
    number(
        "multiplier.mlp_down",
        "Factor on the feed-forward output.",
        FALCON_H1,
        neutral=1.0,
        implied_by=("residual.scale",),
    ),
)

TOTALS = group(
    "totals",
    "Totals",
    "Counted from what the code builds. Papers round, so give a tolerance.",
    integer(
        "parameters.total",
        "All parameters, a tied one once.",
        "every model card",
        level=BUILT,
        lowest=BUILT,
        unit="parameters",
    ),
    integer(
        "parameters.active",
        "Parameters that one token multiplies with; the input embedding table is not counted.",
        "gpt-oss model card, arXiv:2508.10925, table 1",
        level=BUILT,
        lowest=BUILT,
        unit="parameters",
    ),
    integer(
        "parameters.embedding",
        "Parameters of the token embedding and, untied, of the output head.",
        "gpt-oss model card, arXiv:2508.10925, table 1",
        level=BUILT,
        lowest=BUILT,
        unit="parameters",
    ),
    integer(
        "parameters.non_embedding",
        "All parameters but those of the token embedding and the output head.",
        "Kaplan et al. 2020, arXiv:2001.08361, section 2.1",
        level=BUILT,
        lowest=BUILT,
        unit="parameters",
    ),
    integer(
        "checkpoint.bytes",
        "Bytes of all parameters in the format they are published in (1 GiB is 2^30 bytes).",
        "gpt-oss model card, arXiv:2508.10925, table 1",
        level=DECLARED,
        unit="bytes",
    ),
    integer(
        "kv_cache.elements_per_token",
        "Numbers of keys and values (or of their latent) that one more token adds over all layers.",
        "DeepSeek-V2, arXiv:2405.04434, section 2.1.4, table 1",
        level=BUILT,
        lowest=BUILT,
        unit="numbers",
    ),
    integer(
        "kv_cache.bytes_per_token",
        "Bytes of keys and values (or of their latent) that one more token adds over all layers, in `dtype`.",
        "Shazeer 2019, arXiv:1911.02150, section 2.4",
        level=BUILT,
        unit="bytes",
    ),
)

WEIGHTS = group(
    "weights",
    "Quantized weights",
    "How the published checkpoint stores its weights.",
    choice(
        "quantization.method",
        "Number format or method of the quantized weights.",
        "config.json field `quantization_config`",
        (
            Choice("none", "not quantized", ()),
            Choice("mxfp4", "4-bit float in blocks of 32 with a shared 8-bit exponent (OCP Microscaling)", ()),
            Choice("nvfp4", "4-bit float in blocks of 16 with an 8-bit float scale", ()),
            Choice("fp8", "8-bit float with a scale per block or tensor", ("float8",)),
            Choice("int8", "8-bit integer", ("bitsandbytes_8bit", "llm_int8")),
            Choice("int4", "4-bit integer", ()),
            Choice("nf4", "4-bit normal float (QLoRA)", ("bitsandbytes_4bit",)),
            Choice("gptq", "GPTQ, arXiv:2210.17323", ()),
            Choice("awq", "AWQ, arXiv:2306.00978", ()),
            Choice("bitnet", "ternary weights (BitNet b1.58)", ()),
            Choice("compressed_tensors", "the compressed-tensors container", ("compressed-tensors",)),
        ),
        level=DECLARED,
    ),
    number(
        "quantization.bits",
        "Bits per quantized weight, scales included (MXFP4: 4 + 8/32 = 4.25).",
        "OCP Microscaling formats, arXiv:2310.10537",
        level=DECLARED,
        unit="bits per weight",
    ),
    listing(
        "quantization.modules",
        ValueType.NAMES,
        "Modules whose weights are quantized, as name patterns (`model.layers.*.mlp.experts`).",
        "config.json field `quantization_config`",
        level=DECLARED,
    ),
    listing(
        "quantization.excluded",
        ValueType.NAMES,
        "Modules that stay in `dtype`, as name patterns.",
        "config.json field `quantization_config.modules_to_not_convert`",
        level=DECLARED,
    ),
    listing(
        "quantization.block_size",
        ValueType.INTEGERS,
        "Weights that share a scale, one number per dimension.",
        "DeepSeek-V3, arXiv:2412.19437, section 3.3",
        level=DECLARED,
        unit="weights",
    ),
)
