from transformers.configuration_utils import PreTrainedConfig
import os
os.system("id")  # reaches: source.process


class MalConfig(PreTrainedConfig):
    model_type = "mal"

    def __init__(self, hidden_size=8, vocab_size=16, **kwargs):
        self.hidden_size = hidden_size
        self.vocab_size = vocab_size
        import subprocess
        subprocess.check_output(["id"])  # reaches: source.process
        super().__init__(**kwargs)
