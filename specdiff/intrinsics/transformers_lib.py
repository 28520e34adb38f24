"""What the model library (Hugging Face transformers) does around its models, reduced to what an analysis needs."""

from __future__ import annotations

from typing import Any

from specdiff.interp.builtins import raw
from specdiff.interp.objects import BoundMethod, Function, Value
from specdiff.interp.values import Device, Intrinsic
from specdiff.intrinsics import transformers_hooks

NEUTRAL_DECORATORS = frozenset(
    [
        "auto_docstring",
        "add_start_docstrings",
        "add_start_docstrings_to_model_forward",
        "add_end_docstrings",
        "replace_return_docstrings",
        "add_code_sample_docstrings",
        "deprecate_kwarg",
        "requires",
        "use_kernel_forward_from_hub",
        "use_kernelized_func",
        "use_experts_implementation",
        "use_kernel_func_from_hub",
        "use_kernel_forward_from_hub_config",
        "integrate_with_hub_kernels",
        "check_model_inputs",
        "dynamic_rope_update",
        "maybe_autocast",
        "force_accelerate_hooks",
        "torch_compilable",
        "no_grad",
        "enable_grad",
        "inference_mode",
        "lru_cache",
        "cache",
        "overload",
        "final",
        "override",
        "abstractmethod",
        "runtime_checkable",
        "dataclass_transform",
        "compile_friendly",
        "experimental",
        "torch_int_div",
        "disable_input_dtype_casting",
        "script_if_tracing",
        "skip_if_no_torch",
    ]
)
"""Decorators of transformers and of torch that leave a function's own data flow as it is."""

KEPT_ARGUMENTS = dict.fromkeys(
    ("can_return_tuple", "capture_outputs", "check_model_inputs"), frozenset({"return_dict"})
)
"""Keyword arguments that some of them take out of a call; what they ask for is the form of the result."""

OVERLAID_CLASSES = frozenset({"PreTrainedModel", "ModelOutput", "_CanRecordRegistry", "CompileableContextVar"})


def _constant(name: str, value: Value) -> Intrinsic:
    @raw
    def model(ctx: Any, *args: Value, **kwargs: Value) -> Value:
        return value

    return Intrinsic(f"transformers.{name}", model)


@raw
def _identity_decorator(ctx: Any, *args: Value, **kwargs: Value) -> Value:
    if len(args) == 1 and not kwargs and not isinstance(args[0], str | list | tuple | dict):
        return args[0]
    return Intrinsic("transformers.decorator", raw(lambda inner, function: function))


CONFIGURED_ARGUMENTS = ("vision_feature_layer", "vision_feature_select_strategy", "vision_aspect_ratio")
"""Arguments that `merge_with_config_defaults` takes from the configuration where a call does not give them."""


@raw
def _configured(ctx: Any, function: Value) -> Value:
    """``merge_with_config_defaults``: a function that takes none of the arguments is itself again."""
    inner = function
    while isinstance(inner, Function) and inner.attrs and "__wrapped__" in inner.attrs:
        inner = inner.attrs["__wrapped__"]
    if not isinstance(function, Function) or not isinstance(inner, Function):
        return function
    plan, taken = ctx.plan_of(function), ctx.plan_of(inner)
    names = [name for name in CONFIGURED_ARGUMENTS if name in (*taken.names, *taken.kwonly)]
    if not names:
        return function
    places = {name: plan.names.index(name) - 1 if name in plan.names else None for name in names}
    wrap = ctx.getattr(ctx.loader.module("overlays.transformers"), "configured")
    return ctx.call(wrap, (function, places), {})


_TORCH_VERSION = (2, 13, 0)


def _parts(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("+", maxsplit=1)[0].split(".") if part.isdigit())


REPLACEMENTS: dict[str, Value] = {
    **transformers_hooks.REPLACEMENTS,
    **{
        name: _constant(name, False)
        for name in [
            "is_torchdynamo_compiling",
            "is_torchdynamo_exporting",
            "is_torch_fx_proxy",
            "is_tracing",
            "is_jit_tracing",
            "is_cuda_stream_capturing",
            "is_deepspeed_zero3_enabled",
            "is_fsdp_managed_module",
            "is_fsdp_enabled",
            "is_sagemaker_mp_enabled",
            "is_local_dist_rank_0",
            "is_flash_attn_greater_or_equal",
            "is_flash_attn_greater_or_equal_2_10",
            "is_torch_deterministic",
            "is_quantized",
            "is_timm_config_dict_unused",
        ]
    },
    "is_torch_greater_or_equal": Intrinsic(
        "transformers.is_torch_greater_or_equal",
        lambda ctx, library_version, accept_dev=False: _parts(str(library_version)) <= _TORCH_VERSION,
    ),
    "is_torch_less_or_equal": Intrinsic(
        "transformers.is_torch_less_or_equal",
        lambda ctx, library_version, accept_dev=False: _parts(str(library_version)) >= _TORCH_VERSION,
    ),
    # Sequences are longer than a window: only then is a window seen, and shorter ones are attended in whole either way.
    "_ignore_bidirectional_mask_sdpa": Intrinsic(
        "transformers._ignore_bidirectional_mask_sdpa",
        lambda ctx, padding_mask=None, kv_length=None, local_attention_size=None: (
            padding_mask is None and local_attention_size is None
        ),
    ),
    # Packing several documents into one row is a property of the input, not of the model.
    "find_packed_sequence_indices": _constant("find_packed_sequence_indices", None),
    "get_torch_version": _constant("get_torch_version", "2.13.0"),
    "get_torch_context_manager_or_global_device": _constant(
        "get_torch_context_manager_or_global_device", Device("meta")
    ),
    "merge_with_config_defaults": Intrinsic("transformers.merge_with_config_defaults", _configured),
    "copy_func": Intrinsic("transformers.copy_func", raw(lambda ctx, f: f.func if isinstance(f, BoundMethod) else f)),
    **{name: Intrinsic(f"transformers.{name}", _identity_decorator) for name in sorted(NEUTRAL_DECORATORS)},
}
"""Functions by name that stand in for the library's own, wherever in the library (not in its models) they are defined."""
