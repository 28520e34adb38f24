"""Keys about feed-forward networks, mixtures of experts and recurrent mixers."""

from __future__ import annotations

from specdiff.vocab.entries import DECLARED, boolean, choice, group, integer, layers, number
from specdiff.vocab.model import Choice

TRANSFORMER = "Vaswani et al. 2017, arXiv:1706.03762, section 3.3"
GLU = "Shazeer 2020, arXiv:2002.05202"
GPT_OSS = "gpt-oss model card, arXiv:2508.10925, section 2.2"
MOE = "Shazeer et al. 2017, arXiv:1701.06538"
DEEPSEEK_MOE = "DeepSeekMoE, arXiv:2401.06066, section 3.2"
DEEPSEEK_V3 = "DeepSeek-V3, arXiv:2412.19437, section 2.1.2"
MAMBA = "Gu and Dao 2023 (Mamba), arXiv:2312.00752"
MAMBA2 = "Dao and Gu 2024 (Mamba-2), arXiv:2405.21060"
DELTA = "Yang et al. 2024 (Gated DeltaNet), arXiv:2412.06464"

MLP = group(
    "mlp",
    "Feed-forward network",
    "`mlp.kind`, `.activation`, `.bias`, `.limit`, `.alpha` and `.up_offset` speak about the feed-forward network "
    "wherever it stands, experts included; `mlp.size` only about the dense one, `moe.expert_size` about an expert.",
    choice(
        "mlp.kind",
        "Shape of the network.",
        f"plain: {TRANSFORMER}; gated: {GLU}",
        (
            Choice("gated", "activation(gate(x)) · up(x), then down (GLU family)", ("glu", "swiglu", "geglu", "reglu")),
            Choice("plain", "up, activation, down", ("ffn", "standard")),
            Choice("conv", "with convolutions in place of linear maps", ()),
        ),
    ),
    choice(
        "mlp.activation",
        "The non-linearity. x·sigmoid(αx) is `silu` with `mlp.alpha` α, so QuickGELU is `silu` with `mlp.alpha` 1.702.",
        "GELU: arXiv:1606.08415; SiLU: arXiv:1702.03118; squared ReLU: arXiv:2109.08668",
        (
            Choice("silu", "x·sigmoid(x)", ("swish", "swiglu")),
            Choice("gelu", "x·Φ(x), by the error function", ("gelu_exact", "gelu_python", "gelu_erf")),
            Choice(
                "gelu_tanh", "GELU's tanh approximation", ("gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_approx")
            ),
            Choice("relu", "max(x, 0)", ("reglu",)),
            Choice("relu2", "max(x, 0)²", ("relu_squared", "squared_relu")),
            Choice("sigmoid", "1/(1+e^-x)", ()),
            Choice("tanh", "hyperbolic tangent", ()),
            Choice("mish", "x·tanh(softplus(x))", ()),
            Choice("identity", "none (a bilinear gate)", ("linear",)),
            Choice("xielu", "expanded integral of ELU with learned slopes (Apertus)", ()),
            Choice("sqrt_softplus", "square root of softplus", ()),
            Choice("relu6", "min(max(x, 0), 6)", ()),
            Choice("leaky_relu", "ReLU with a small slope below 0", ()),
            Choice("prelu", "ReLU with a learned slope below 0", ()),
            Choice("elu", "exponential linear unit", ()),
            Choice("selu", "scaled exponential linear unit", ()),
            Choice("celu", "continuously differentiable ELU", ()),
            Choice("softplus", "log(1 + e^x)", ()),
            Choice("softsign", "x/(1+|x|)", ()),
            Choice("log_sigmoid", "log(1/(1+e^-x))", ("logsigmoid",)),
            Choice("hard_swish", "x·relu6(x+3)/6", ("hardswish",)),
            Choice("hard_sigmoid", "relu6(x+3)/6", ("hardsigmoid",)),
            Choice("hard_tanh", "x clamped to [-1, 1]", ("hardtanh",)),
        ),
    ),
    integer("mlp.size", "Width of the hidden layer of the dense network.", TRANSFORMER, unit="channels"),
    boolean("mlp.bias", "Its projections add biases.", TRANSFORMER),
    number("mlp.limit", "The gate is clamped from above, the linear half on both sides, at this.", GPT_OSS),
    number("mlp.alpha", "α in x·sigmoid(αx).", f"Ramachandran et al. 2017, arXiv:1710.05941; {GPT_OSS}", neutral=1.0),
    number("mlp.up_offset", "Added to the linear half before it is multiplied with the gate.", GPT_OSS, neutral=0.0),
    number(
        "mlp.sparsity",
        "Share of hidden channels that a cut-off sets to zero.",
        "Gemma 3n publisher's code (`activation_sparsity_pattern`)",
        neutral=0.0,
    ),
)

MOE_GROUP = group(
    "moe",
    "Mixture of experts",
    "Experts and the router that chooses among them.",
    integer("moe.experts", "Routed experts per layer.", MOE, unit="experts", neutral=0),
    integer("moe.experts_per_token", "Routed experts that one token visits.", MOE, unit="experts"),
    integer("moe.expert_size", "Width of an expert's hidden layer.", DEEPSEEK_MOE, unit="channels"),
    integer("moe.shared_experts", "Experts that every token visits.", DEEPSEEK_MOE, unit="experts", neutral=0),
    integer(
        "moe.shared_size", "Width of the hidden layer of all shared experts together.", DEEPSEEK_MOE, unit="channels"
    ),
    boolean(
        "moe.shared_gate",
        "A learned sigmoid weighs the shared expert.",
        "Qwen1.5-MoE and Qwen2, arXiv:2407.10671, section 2.2.2",
    ),
    integer(
        "moe.zero_experts",
        "Experts that return their input or nothing.",
        "LongCat-Flash, arXiv:2509.01322",
        unit="experts",
        neutral=0,
    ),
    layers(
        "moe.layers",
        "Layers that have experts.",
        "GShard, arXiv:2006.16668",
        implied_by=("mlp.pattern", "moe.first_dense"),
    ),
    integer(
        "moe.first_dense",
        "Dense layers before the first one with experts.",
        DEEPSEEK_V3,
        unit="layers",
        neutral=0,
        implied_by=("mlp.pattern", "moe.layers"),
    ),
    integer(
        "moe.latent_size",
        "Width that tokens are projected to before they reach the experts.",
        "Nemotron 3 (latent experts)",
        unit="channels",
    ),
    choice(
        "moe.router.score",
        "What turns router logits into weights.",
        f"softmax: {MOE}; sigmoid: {DEEPSEEK_V3}",
        (
            Choice("softmax", "softmax over experts", ()),
            Choice("sigmoid", "a sigmoid per expert", ()),
            Choice("sqrt_softplus", "square root of a softplus per expert", ()),
            Choice("sparsemixer", "SparseMixer sampling, by threshold (Phi-3.5-MoE)", ()),
        ),
    ),
    choice(
        "moe.router.order",
        "Whether scores are computed before or after the experts are chosen. Softmax over all, renormalised over "
        "the chosen, gives the same numbers as softmax over the chosen, and matches it.",
        "Mixtral, arXiv:2401.04088, section 2.1; Switch, arXiv:2101.03961",
        (
            Choice(
                "score_then_topk",
                "scores over all experts, then the best are chosen",
                ("before_topk", "score_before_topk"),
            ),
            Choice(
                "topk_then_score",
                "the best logits are chosen, then scores over those",
                ("after_topk", "score_after_topk"),
            ),
            Choice(
                "softmax_then_topk",
                "softmax over all experts, then the best",
                ("softmax_before_topk",),
                is_a="score_then_topk",
            ),
            Choice(
                "topk_then_softmax",
                "best logits, then softmax over those",
                ("softmax_after_topk",),
                is_a="topk_then_score",
            ),
            Choice("sigmoid_then_topk", "sigmoid of all logits, then the best", (), is_a="score_then_topk"),
            Choice("topk_then_sigmoid", "best logits, then sigmoid of those", (), is_a="topk_then_score"),
        ),
    ),
    boolean(
        "moe.router.normalise",
        "The weights of the chosen experts add up to 1 (before `moe.router.scale`).",
        DEEPSEEK_V3,
    ),
    number(
        "moe.router.scale",
        "Factor on the routed experts' weights.",
        "DeepSeek-V2, arXiv:2405.04434 (config `routed_scaling_factor`)",
        neutral=1.0,
    ),
    boolean("moe.router.bias", "The router's projection adds a bias to the logits.", GPT_OSS),
    boolean(
        "moe.router.selection_bias",
        "A bias per expert that only the choice sees, not the weights.",
        f"Wang et al. 2024, arXiv:2408.15664; {DEEPSEEK_V3}",
    ),
    integer(
        "moe.router.groups",
        "Groups that experts are divided into for the choice.",
        "DeepSeek-V2, arXiv:2405.04434, section 2.2.2",
        unit="groups",
        neutral=1,
    ),
    integer(
        "moe.router.groups_per_token",
        "Groups that one token's experts may come from.",
        "DeepSeek-V2, arXiv:2405.04434, section 2.2.2",
        unit="groups",
        neutral=1,
    ),
    choice(
        "moe.router.group_score",
        "What a group is ranked by.",
        f"DeepSeek-V2 and {DEEPSEEK_V3}",
        (Choice("max", "its best expert", ()), Choice("top2_sum", "the sum of its two best experts", ())),
    ),
    choice(
        "moe.router.dtype",
        "Number format the router computes in.",
        "Switch, arXiv:2101.03961, section 2.4 (selective precision)",
        (Choice("float32", "cast to 32 bits", ("fp32",)), Choice("input", "as the input comes", ("same",))),
    ),
    boolean(
        "moe.router.input_scaled", "Weights multiply the experts' input, not their output.", "Llama 4 publisher's code"
    ),
    number(
        "moe.router.aux_loss",
        "Coefficient of the load-balancing loss.",
        "Switch, arXiv:2101.03961, section 2.2",
        level=DECLARED,
        neutral=0.0,
    ),
    number(
        "moe.router.jitter",
        "Width of the noise on the router's input or threshold.",
        "Switch, arXiv:2101.03961",
        level=DECLARED,
        neutral=0.0,
    ),
)

RECURRENT = group(
    "recurrent",
    "Recurrent mixers",
    "State-space models, linear attention and short convolutions.",
    choice(
        "ssm.kind",
        "Which recurrence.",
        f"{MAMBA}; {MAMBA2}; Griffin, arXiv:2402.19427; RWKV, arXiv:2305.13048",
        (
            Choice("mamba", "selective state space with a diagonal matrix per channel", ("mamba1", "s6")),
            Choice("mamba2", "state-space duality: a scalar decay per head", ("ssd",)),
            Choice("rg_lru", "real-gated linear recurrent unit", ("rglru",)),
            Choice("rwkv", "RWKV time mixing, version 4", ("rwkv4",)),
            Choice("s4", "structured state space, not selective", ()),
        ),
    ),
    integer("ssm.state_size", "State per channel or head channel.", MAMBA, unit="channels"),
    integer("ssm.heads", "Heads.", MAMBA2, unit="heads"),
    integer("ssm.head_dim", "Width of a head.", MAMBA2, unit="channels"),
    integer("ssm.groups", "Groups that share B and C.", MAMBA2, unit="groups"),
    integer("ssm.conv_kernel", "Width of the causal convolution.", MAMBA, unit="tokens"),
    number("ssm.expand", "Inner width over the residual stream's width.", MAMBA),
    integer("ssm.inner_size", "Inner width.", MAMBA, unit="channels", implied_by=("ssm.expand",)),
    integer("ssm.dt_rank", "Rank of the step size's projection.", MAMBA, unit="channels"),
    integer("ssm.chunk_size", "Positions per chunk of the block algorithm.", MAMBA2, unit="tokens"),
    boolean("ssm.bias", "Its projections add biases.", MAMBA),
    boolean("ssm.conv_bias", "Its convolution adds a bias.", MAMBA),
    boolean(
        "ssm.norm",
        "A norm stands inside the mixer (over dt, B and C, or gated over the output).",
        f"Jamba, arXiv:2403.19887; {MAMBA2}",
    ),
    choice(
        "linear_attention.kind",
        "Which update of the matrix state.",
        f"arXiv:2006.16236; {DELTA}; lightning: arXiv:2401.04658; Kimi Linear, arXiv:2510.26692",
        (
            Choice("gated_delta", "gated delta rule with a decay per head", ("gated_deltanet", "gdn")),
            Choice("kda", "gated delta rule with a decay per channel (Kimi Delta Attention)", ("kimi_delta",)),
            Choice("delta", "delta rule without decay", ("deltanet",)),
            Choice("lightning", "a fixed decay per head", ()),
            Choice("retention", "a fixed decay per head with rotation (RetNet)", ("retnet",)),
            Choice("gla", "a gated decay per channel, no delta rule", ("gated_linear",)),
            Choice("rwkv", "RWKV version 5 and later", ("rwkv5", "rwkv6", "rwkv7")),
            Choice("plain", "a sum of outer products", ()),
        ),
    ),
    integer("linear_attention.heads", "Query and key heads.", DELTA, unit="heads"),
    integer(
        "linear_attention.value_heads",
        "Value heads.",
        "Qwen3-Next publisher's config.json (`linear_num_value_heads`)",
        unit="heads",
    ),
    integer("linear_attention.key_dim", "Width of a key head.", DELTA, unit="channels"),
    integer("linear_attention.value_dim", "Width of a value head.", DELTA, unit="channels"),
    integer(
        "linear_attention.conv_kernel",
        "Width of the causal convolution on queries, keys and values.",
        DELTA,
        unit="tokens",
    ),
    boolean("linear_attention.gate", "The output is multiplied with a learned gate.", DELTA),
    integer(
        "linear_attention.block_size",
        "Positions per block of the block algorithm.",
        "MiniMax-01, arXiv:2501.08313",
        unit="tokens",
    ),
    integer(
        "conv.kernel", "Width of the short convolution that mixes tokens.", "LFM2, arXiv:2511.23404", unit="tokens"
    ),
    boolean("conv.depthwise", "Each channel is convolved by itself.", "ConvNeXt, arXiv:2201.03545, section 2.3"),
    boolean("conv.bias", "The short convolution adds a bias.", "LFM2, arXiv:2511.23404"),
    boolean("conv.gated", "Its input and output are multiplied with learned gates.", "LFM2, arXiv:2511.23404"),
)
