"""The parts of timm that published vision models are built from."""

from .models import is_model, list_models
