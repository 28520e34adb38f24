"""Model families by kind, and a choice among them that nobody made by hand: by digest of their names."""

from __future__ import annotations

import hashlib
from itertools import zip_longest

KINDS: dict[str, str] = {
    "dense": "llama mistral qwen2 qwen3 gemma gemma2 gemma3 phi phi3 gpt2 gpt_neox gpt_neo gptj codegen gpt_bigcode opt bloom falcon mpt "
    "olmo olmo2 olmo3 granite cohere cohere2 starcoder2 stablelm smollm3 glm glm4 helium exaone4 arcee apertus seed_oss "
    "persimmon biogpt xglm ernie4_5 hunyuan_v1_dense vaultgemma internlm3 minicpm3 diffllama bitnet nanochat cwm ctrl openai",
    "moe": "mixtral qwen2_moe qwen3_moe olmoe gpt_oss glm4_moe dbrx jetmoe granitemoe granitemoeshared phimoe ernie4_5_moe "
    "hunyuan_v1_moe flex_olmo dots1 afmoe minimax_m2 solar_open exaone_moe llama4",
    "mla": "deepseek_v2 deepseek_v3 deepseek_v32 longcat_flash youtu glm4_moe_lite",
    "state-space": "mamba mamba2 falcon_mamba jamba bamba zamba zamba2 rwkv recurrent_gemma qwen3_next lfm2 nemotron_h "
    "granitemoehybrid xlstm falcon_h1 kimi_linear olmo_hybrid minimax",
    "encoder": "bert roberta electra modernbert deberta_v2 deberta albert distilbert mpnet xlm_roberta esm nomic_bert layoutlm funnel "
    "ibert squeezebert mobilebert convbert rembert roformer eurobert megatron_bert nystromformer fnet ernie camembert",
    "encoder-decoder": "t5 bart pegasus mbart umt5 mt5 longt5 blenderbot blenderbot_small m2m_100 marian plbart prophetnet led "
    "switch_transformers bigbird_pegasus fsmt mvp nllb_moe t5gemma pegasus_x",
    "vision": "vit dinov2 siglip clip swin beit convnext convnextv2 deit vit_mae segformer pvt pvt_v2 poolformer dinov3_vit swinv2 resnet "
    "regnet mobilevit mobilevitv2 levit cvt focalnet ijepa hiera dinat efficientnet bit mobilenet_v2 vit_msn swiftformer",
    "audio": "whisper wav2vec2 hubert wavlm unispeech unispeech_sat sew sew_d speech_to_text audio_spectrogram_transformer moonshine "
    "parakeet clap encodec dac mimi wav2vec2_conformer wav2vec2_bert univnet fastspeech2_conformer",
}  # fmt: skip


RARE: dict[str, str] = {
    "softcap": "gemma2 gemma3 vaultgemma t5gemma nanochat gemma3n",
    "drop-sinks sinks-cut": "gpt_oss granite_swa granitemoe_swa mimo_v2_flash hy_v4 openai_privacy_filter",
    "window-mask window": "gemma2 cohere2 olmo3 gpt_oss afmoe ministral",
    "ssm-decay decay-sign": "mamba bamba falcon_mamba jamba zamba2 falcon_h1",
    "layer-pattern": "gemma2 cohere2 olmo3 llama4 exaone4 gemma3",
    "norm-offset": "gemma gemma2 vaultgemma recurrent_gemma qwen3_next t5gemma",
    "routed-scale shared-expert biased-weights expert-norm": "deepseek_v3 glm4_moe solar_open exaone_moe lfm2_moe mimo_v2_flash qwen2_moe",
    "query-key qk-norm-swap drop-qk-norm": "qwen3 olmo2 glm4_moe gemma3 bert",
    "class-token pooling": "vit deit dinov2 clip beit siglip",
    "theta theta-default rotation-style rotation-sign": "llama mistral qwen3 gptj cohere codegen",
    "clamp-limit": "gpt_oss bart switch_transformers dbrx deepseek_v4 olmo",
}  # fmt: skip
"""Operators that few of the chosen families have a place for, with families that have one."""


def rare(operator: str) -> tuple[str, ...]:
    """Families to try an operator on beside the chosen ones."""
    return tuple(family for names, more in RARE.items() if operator in names.split() for family in more.split())


def chosen(per_kind: int, salt: str = "") -> tuple[str, ...]:
    """So many families of each kind, the kinds in turn; another salt chooses others."""
    rows = [
        sorted(names.split(), key=lambda name, kind=kind: digest(salt, kind, name))[:per_kind]  # type: ignore[misc]
        for kind, names in KINDS.items()
    ]
    return tuple(name for turn in zip_longest(*rows) for name in turn if name)


def kind_of(family: str) -> str:
    """The kind a family is listed under; empty for any other."""
    return next((kind for kind, names in KINDS.items() if family in names.split()), "")


def digest(*parts: str) -> str:
    """A number that depends on nothing but the words."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
