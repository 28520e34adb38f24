from diffusers.models.modeling_utils import ModelMixin
