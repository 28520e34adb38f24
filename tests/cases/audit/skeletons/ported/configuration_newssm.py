from transformers.configuration_utils import PreTrainedConfig


class NewSsmConfig(PreTrainedConfig):
    model_type = "newssm"

    def __init__(self, vocab_size=64, hidden_size=32, num_hidden_layers=2, state_size=8, conv_kernel=4, layer_norm_eps=1e-5, **kwargs):
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.state_size = state_size
        self.conv_kernel = conv_kernel
        self.layer_norm_eps = layer_norm_eps
        super().__init__(**kwargs)
