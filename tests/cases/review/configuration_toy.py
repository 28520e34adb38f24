from transformers import PretrainedConfig


class ToyConfig(PretrainedConfig):
    model_type = "toy"

    def __init__(self, hidden=8, layers=2, gate=False, window=None, kind="plain", dtype_guard="keep", use_cache=True, **kwargs):
        self.hidden = hidden
        self.layers = layers
        self.gate = gate
        self.window = window
        self.kind = kind
        self.dtype_guard = dtype_guard
        self.use_cache = use_cache
        super().__init__(**kwargs)
