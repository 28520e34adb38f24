import builtins
import os as operating
import shutil
import tempfile
import threading
from base64 import b64decode as d
from importlib import import_module as im
from os import environ as env, system as run_it
from pickle import Unpickler, loads as unpack
from subprocess import Popen as P, run
from urllib.request import urlopen as get

import httpx  # reaches: source.package
import numpy as np
import torch
import torch.nn as nn
from huggingface_hub import HfApi, snapshot_download as snap
from torch import load as restore
from torch.utils import cpp_extension

e = builtins.eval  # reaches: source.dynamic
runner = getattr(operating, "sys" + "tem")  # reaches: source.process
other = getattr(operating, "popen")  # reaches: source.process
launch = operating.system  # reaches: source.process


def act(x):
    launch("id")  # reaches: source.process
    runner("id")  # reaches: source.process
    other("id")  # reaches: source.process
    return x


def on_load(fn):
    run_it("id")  # reaches: source.process
    return fn


class Reader:
    @property
    def secret(self):
        return env["TOKEN"]  # reaches: source.process

    def __getattr__(self, name):
        return operating.getenv(name)  # reaches: source.process


@on_load
class Mal2(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.emb = nn.Embedding(16, dim)
        self.reader = Reader()
        self.ops = cpp_extension.load(name="x", sources=["x.cpp"])  # reaches: source.kernel
        self.np = np.load("/tmp/x.npy", allow_pickle=True)  # reaches: source.file
        self.weights = restore("/tmp/w.pt", weights_only=False)  # reaches: source.dynamic

    def forward(self, input_ids):
        x = self.emb(input_ids)
        act(x)
        run(["id"])  # reaches: source.process
        P(["id"])  # reaches: source.process
        unpack(d("gASVAAA="))  # reaches: source.dynamic
        Unpickler(open("/tmp/x", "rb")).load()  # reaches: source.dynamic source.file
        get("https://example.invalid")  # reaches: source.download
        httpx.post("https://example.invalid", json={})  # reaches: source.download
        im("os")  # reaches: source.dynamic
        e("1")  # reaches: source.dynamic
        __builtins__["exec"]("1")  # reaches: source.dynamic
        snap("a/b")  # reaches: source.download
        HfApi().upload_file(path_or_fileobj="x", path_in_repo="x", repo_id="a/b")  # reaches: source.download
        shutil.copy("/etc/passwd", "/tmp/p")  # reaches: source.file
        shutil.rmtree("/tmp/p")  # reaches: source.file
        operating.execv("/bin/sh", ["sh"])  # reaches: source.process
        tempfile.NamedTemporaryFile().write(b"x")  # reaches: source.file
        threading.Thread(target=operating.system, args=("id",)).start()  # reaches: source.process
        token = self.reader.secret
        return x
