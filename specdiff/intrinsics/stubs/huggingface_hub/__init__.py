"""The parts of huggingface_hub that model code inherits from; nothing here reaches a network."""


class PyTorchModelHubMixin:
    pass


class ModelHubMixin:
    pass


__version__ = "1.0.0"
