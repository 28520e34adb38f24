"""transformers' base model without device placement, kernels, parallel plans and random initialisation."""

import functools
import re

import torch
from torch import nn


class PreTrainedModel:
    def __init__(self, config, *inputs, **kwargs):
        nn.Module.__init__(self)
        if not hasattr(config, "model_type"):
            raise TypeError(
                f"Parameter config in `{self.__class__.__name__}(config)` should be an instance of class `PreTrainedConfig`."
            )
        self.config = config
        self.name_or_path = getattr(config, "name_or_path", "")
        self.warnings_issued = {}
        self.generation_config = None
        self.loss_type = None
        self.kernel_config = None
        if getattr(config, "_attn_implementation_internal", None) is None:
            config._attn_implementation_internal = "eager"
        if getattr(config, "_experts_implementation_internal", None) is None:
            config._experts_implementation_internal = "eager"

    def __init_subclass__(cls, **kwargs):
        pass

    @property
    def loss_function(self):
        if hasattr(self, "_loss_function"):
            return self._loss_function
        # The library looks the class's name up when it is built; here that waits until a loss is asked for.
        from transformers.loss.loss_utils import LOSS_MAPPING

        name = self.loss_type or self.__class__.__name__
        if name not in LOSS_MAPPING:
            name = next(iter(re.findall(f"({'|'.join(LOSS_MAPPING)})", name)), "ForCausalLM")
        return LOSS_MAPPING[name]

    @loss_function.setter
    def loss_function(self, value):
        self._loss_function = value

    def post_init(self):
        if hasattr(self, "get_expanded_tied_weights_keys"):
            self.all_tied_weights_keys = self.get_expanded_tied_weights_keys(all_submodels=False)
            for name, module in self.named_children():
                if tied_keys := getattr(module, "all_tied_weights_keys", None):
                    self.all_tied_weights_keys.update({f"{name}.{k}": f"{name}.{v}" for k, v in tied_keys.items()})
            self.tie_weights(recompute_mapping=False)
        else:
            self.init_weights()

    def _check_and_adjust_attn_implementation(self, attn_implementation=None, *args, **kwargs):
        return attn_implementation or "eager"

    def get_correct_attn_implementation(self, requested_attention=None, *args, **kwargs):
        return requested_attention or "eager"

    def _check_and_adjust_experts_implementation(self, experts_implementation=None):
        return experts_implementation or "eager"

    def initialize_weights(self):
        pass

    def _initialize_weights(self, *args, **kwargs):
        pass

    def _backward_compatibility_gradient_checkpointing(self):
        pass

    def init_parallel_plans(self):
        pass

    def can_generate(self):
        return False


class PreTrainedModelBefore:
    """What the base class had in releases 4.x and published code still calls; taken only where the release has it no more."""

    def get_head_mask(self, head_mask, num_hidden_layers, is_attention_chunked=False):
        if head_mask is None:
            return [None] * num_hidden_layers
        if head_mask.dim() == 1:
            head_mask = head_mask[None, None, :, None, None].expand(num_hidden_layers, -1, -1, -1, -1)
        elif head_mask.dim() == 2:
            head_mask = head_mask[:, None, :, None, None]
        return head_mask.to(dtype=self.dtype)

    def invert_attention_mask(self, encoder_attention_mask):
        rows = slice(None) if encoder_attention_mask.dim() == 3 else None
        mask = encoder_attention_mask[:, None, rows, :].to(dtype=self.dtype)
        return (1.0 - mask) * torch.finfo(self.dtype).min

    def get_extended_attention_mask(self, attention_mask, input_shape, device=None, dtype=None):
        dtype = self.dtype if dtype is None else dtype
        if attention_mask.dim() == 3:
            mask = attention_mask[:, None, :, :]
        elif getattr(self.config, "is_decoder", False):
            length, total = input_shape[1], attention_mask.shape[1]
            seen = torch.arange(total)[None, :] <= torch.arange(total - length, total)[:, None]
            mask = seen[None, None, :, :].to(attention_mask.dtype) * attention_mask[:, None, None, :]
        else:
            mask = attention_mask[:, None, None, :]
        return (1.0 - mask.to(dtype=dtype)) * torch.finfo(dtype).min


class ModelOutput:
    def __post_init__(self):
        fields = self.__dataclass_fields__
        first = next(iter(fields))
        value = getattr(self, first)
        if isinstance(value, dict) and all(self.__dict__.get(name) is None for name in fields if name != first):
            setattr(self, first, None)
            super().__delitem__(first)
            for key, item in value.items():
                setattr(self, key, item)
                self[key] = item
            return
        for name in fields:
            value = getattr(self, name)
            if value is not None:
                self[name] = value


class _CanRecordRegistry:
    def get(self, model):
        return getattr(model, "_can_record_outputs", None) or {}


class CompileableContextVar:
    def __init__(self, name, default=None):
        self.value = default

    def get(self):
        return self.value

    def set(self, value):
        before = self.value
        self.value = value
        return before

    def reset(self, token):
        self.value = token


def configured(func, places):
    """``merge_with_config_defaults`` for the arguments in ``places``, each with its position after ``self``."""

    @functools.wraps(func)
    def wrapper(self, *args, **kwargs):
        for name, place in places.items():
            given = args[place] if place is not None and place < len(args) else kwargs.get(name)
            value = getattr(self.config, name, None)
            if given is None and value is not None:
                if place is not None and place < len(args):
                    args = (*args[:place], value, *args[place + 1 :])
                else:
                    kwargs[name] = value
        return func(self, *args, **kwargs)

    return wrapper
