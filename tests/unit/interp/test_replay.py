"""Repeating a recorded `forward` adds to the trace exactly what running again would have added."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from specdiff import pipeline
from specdiff.interp import replay
from specdiff.interp.dims import MADE
from specdiff.options import Options
from specdiff.project.forward import forward, outputs_in
from specdiff.project.targets import resolve

HEAD = """
import functools
import elsewhere
import torch
from torch import nn

SEEN = []

class Slot:
    def __init__(self):
        self.keys = None
        self.states = {{0: None}}

class Shared(nn.Module):
    seen = []
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(8))
    def forward(self, x):
        return x * self.weight

class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(8, 16)
        self.down = nn.Linear(16, 8)
        self.kept = None
    def forward(self, x):
        return self.down(torch.relu(self.up(x)))

class Layer(nn.Module):
    def __init__(self, index, shared):
        super().__init__()
        self.part = Part()
        self.index = index
        self.kind = "even" if index % 2 == 0 else "odd"
        self.one = nn.Linear(8, 16)
        self.two = nn.Linear(16, 8)
        self.scale = nn.Parameter(torch.empty(8))
        self.shared = shared
        self.held = None
        self.rate = index / 10
        self.act = functools.partial(torch.clamp, min=0)
{forward}

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 8)
        self.first = None
        self.count = [0]
        self.shared = Shared()
        self.layers = nn.ModuleList([Layer(index, self.shared) for index in range(6)])
    def forward(self, input_ids):
        x = self.embed(input_ids)
        table = torch.arange(x.shape[1])
{body}
        return x, table
"""
LOOP = """
for layer in self.layers:
    x = layer(x)
"""
MLP = "x = x * self.scale + self.two(torch.relu(self.one(x)))"
CASES: dict[str, tuple[str, str, int]] = {
    "plain": (f"def forward(self, x):\n    {MLP}\n    return x", LOOP, 5),
    "two kinds": (
        f"def forward(self, x):\n    if self.kind == 'even':\n        x = x.softmax(-1)\n    {MLP}\n    return x",
        LOOP,
        4,
    ),
    "every index its own": (f"def forward(self, x):\n    {MLP}\n    return x * self.index", LOOP, 0),
    "a module that all share": (f"def forward(self, x):\n    {MLP}\n    return self.shared(x)", LOOP, 5),
    "the same argument twice": (
        f"def forward(self, x, y):\n    {MLP}\n    return x + y",
        "for layer in self.layers:\n    x = layer(x, x)\nfirst = table[:1]\nfor layer in self.layers:\n    x = layer(x, first)",
        10,
    ),
    "an argument changed in place": (
        f"def forward(self, x):\n    y = x\n    {MLP}\n    y.add_(1.0)\n    return x + y",
        LOOP,
        0,
    ),
    "a module that changes": (
        f"def forward(self, x):\n    {MLP}\n    self.held = x\n    return x",
        LOOP + "x = x + self.layers[0].held",
        5,
    ),
    "a module that the next one looks at": (
        (
            f"def forward(self, x, before):\n    {MLP}\n    self.held = x if before is None else before.held * x\n"
            "    return x + self.held"
        ),
        "before = None\nfor layer in self.layers:\n    x = layer(x, before)\n    before = layer",
        0,
    ),
    "a module that gets another part": (
        f"def forward(self, x):\n    self.part = Part()\n    {MLP}\n    return self.part(x)",
        LOOP + "x = self.layers[0].part(x)",
        5,
    ),
    "an entry for each index": (
        (
            f"def forward(self, x, slot):\n    {MLP}\n    if slot.states.get(self.index):\n        x = x.abs()\n"
            "    slot.states[self.index] = True\n    return x if slot.states[self.index] else x.exp()"
        ),
        (
            "slot = Slot()\nslot.states = {}\nfor layer in self.layers:\n    x = layer(x, slot)\n"
            "if slot.states == {number: True for number in range(6)}:\n    x = x.sin()\n"
            "for layer in self.layers:\n    x = layer(x, slot)"
        ),
        9,
    ),
    "an entry that is otherwise for one index": (
        f"def forward(self, x, slot):\n    {MLP}\n    return x.abs() if slot.states[self.index] else x",
        "slot = Slot()\nslot.states = [False, False, False, True, False, False]\nfor layer in self.layers:\n    x = layer(x, slot)",
        3,
    ),
    "an entry for each index and how many there are": (
        (
            f"def forward(self, x, slot):\n    {MLP}\n    slot.states[self.index] = True\n"
            "    states = slot.states\n    return x * len(states)"
        ),
        "slot = Slot()\nslot.states = {}\nfor layer in self.layers:\n    x = layer(x, slot)",
        0,
    ),
    "how many there are and an entry for each index": (
        (
            f"def forward(self, x, slot):\n    {MLP}\n    states = slot.states\n    x = x * len(states)\n"
            "    slot.states[self.index] = True\n    return x"
        ),
        "slot = Slot()\nslot.states = {}\nfor layer in self.layers:\n    x = layer(x, slot)",
        0,
    ),
    "a weight used before that goes into what is not known": (
        f"def forward(self, x, other):\n    {MLP}\n    y = other * self.scale\n    return x",
        "for layer in self.layers:\n    x = layer(x, 2.0)\nother = elsewhere.number\nfor layer in self.layers:\n    x = layer(x, other)",
        10,
    ),
    "parts of layers of which each has its own number": (
        "def forward(self, x):\n    return self.part(x * self.index) * self.index",
        LOOP,
        2,
    ),
    "parts of layers that are told their number": (
        "def forward(self, x, index):\n    return self.part(x) * index",
        "for index, layer in enumerate(self.layers):\n    x = layer(x, index)",
        3,
    ),
    "parts of layers that change what they are given": (
        "def forward(self, x):\n    x.add_(1.0)\n    return self.part(x) * x",
        LOOP,
        5,
    ),
    "parts on one side of a condition": (
        (
            "def forward(self, x):\n    for layer in self.others:\n        if x.sum() > 0:\n            x = x + layer(x)\n"
            "    return x\ndef set(self, layers):\n    self.others = layers"
        ),
        (
            "parts = nn.ModuleList([layer.part for layer in self.layers])\n"
            "self.layers[0].set(parts)\nx = self.layers[0](x)"
        ),
        4,
    ),
    "what one side of a condition changed": (
        (f"def forward(self, x, slot):\n    {MLP}\n    return x.abs() if slot.keys is None else x"),
        (
            "slot = Slot()\nif x.sum() > 0:\n    slot.keys = 1\n    x = self.layers[0](x, slot)\n"
            "else:\n    x = self.layers[1](x, slot)"
        ),
        0,
    ),
    "a list that the layers fill": (
        f"def forward(self, x, seen):\n    {MLP}\n    seen.append(x)\n    return x",
        "seen = []\nfor layer in self.layers:\n    x = layer(x, seen)\nx = seen[2] + x",
        0,
    ),
    "a list of the file that the layers fill": (
        f"def forward(self, x):\n    {MLP}\n    SEEN.append(x)\n    return x",
        LOOP + "x = torch.stack(SEEN, 1)",
        0,
    ),
    "a list of the class that the layers fill": (
        f"def forward(self, x):\n    {MLP}\n    self.shared.seen.append(x)\n    return x",
        LOOP + "x = torch.stack(self.shared.seen, 1)",
        0,
    ),
    "a list of the caller's that a function fills": (
        f"def forward(self, x, keep):\n    {MLP}\n    keep(x)\n    return x",
        "seen = []\ndef keep(item):\n    seen.append(item)\nfor layer in self.layers:\n    x = layer(x, keep)\nx = torch.stack(seen, 1)",
        0,
    ),
    "a list of its own that is gone through and filled": (
        (
            f"def forward(self, x):\n    seen = [x]\n    {MLP}\n    x = x + sum(each for each in seen)\n"
            "    seen.append(x)\n    return x + sum([each for each in seen])"
        ),
        LOOP,
        5,
    ),
    "a counter read from outside": (
        f"def forward(self, x, count):\n    {MLP}\n    return x * count[0]",
        "for layer in self.layers:\n    self.count[0] += 1\n    x = layer(x, self.count)",
        0,
    ),
    "sizes of which nothing is known": (
        "def forward(self, x):\n    "
        + MLP
        + "\n    rows = torch.nonzero(x[0, :, 0] > 0)\n    return x + rows.sum() + torch.zeros(rows.shape[0], 1).sum()",
        LOOP,
        5,
    ),
    "results in containers": (
        f"def forward(self, x):\n    y = x\n    {MLP}\n    return {{'x': x, 'both': [y, x, self.scale]}}",
        "for layer in self.layers:\n    r = layer(x)\n    x = r['x'] + r['both'][0] * r['both'][2]",
        5,
    ),
    "a table that all read": (
        f"def forward(self, x, table):\n    {MLP}\n    return x + table.unsqueeze(-1)",
        "for layer in self.layers:\n    x = layer(x, table)",
        5,
    ),
    "a weight used again outside": (
        f"def forward(self, x):\n    {MLP}\n    return x",
        LOOP + "x = x @ self.layers[3].one.weight.T",
        5,
    ),
    "calls on different lines": (
        f"def forward(self, x):\n    {MLP}\n    return x",
        "x = self.layers[0](x)\nx = self.layers[1](x)\nx = self.layers[2](x)",
        0,
    ),
    "an object for each index": (
        (
            f"def forward(self, x, cache):\n    slot = cache[self.index]\n    {MLP}\n"
            "    slot.keys = x if slot.keys is None else slot.keys + x\n    return slot.keys"
        ),
        (
            "cache = [Slot() for _ in self.layers]\n"
            "for layer in self.layers:\n    x = layer(x, cache)\nx = x + cache[0].keys + cache[4].keys"
        ),
        4,
    ),
    "a dict for each index": (
        (
            f"def forward(self, x, cache):\n    slot = cache[self.index]\n    {MLP}\n"
            "    slot.states[0] = x\n    return slot.states[0] * 2"
        ),
        (
            "cache = [Slot() for _ in self.layers]\n"
            "for layer in self.layers:\n    x = layer(x, cache)\nx = x + cache[0].states[0] + cache[4].states[0]"
        ),
        4,
    ),
    "one object for all": (
        f"def forward(self, x, slot):\n    {MLP}\n    slot.keys = x if slot.keys is None else slot.keys + x\n    return x",
        "slot = Slot()\nfor layer in self.layers:\n    x = layer(x, slot)\nx = x + slot.keys",
        0,
    ),
    "objects of all indices looked at": (
        (
            f"def forward(self, x, cache):\n    slot = cache[self.index]\n    {MLP}\n    slot.keys = x\n"
            "    return x * sum(1 for other in cache if other.keys is not None)"
        ),
        "cache = [Slot() for _ in self.layers]\nfor layer in self.layers:\n    x = layer(x, cache)",
        0,
    ),
    "the first object, whatever the index": (
        (
            f"def forward(self, x, cache):\n    slot = cache[self.index]\n    {MLP}\n    slot.keys = x\n"
            "    return x if cache[0].keys is x else x + cache[0].keys"
        ),
        "cache = [Slot() for _ in self.layers]\nfor layer in self.layers:\n    x = layer(x, cache)",
        3,
    ),
    "a number that decides nothing": (
        (
            f"def forward(self, x):\n    {MLP}\n    if self.rate == 0.0 or not self.training:\n        return x\n"
            "    return x / (1 - self.rate)"
        ),
        LOOP,
        4,
    ),
    "a number that decides": (
        f"def forward(self, x):\n    {MLP}\n    return x.abs() if self.rate > 0.25 else x",
        LOOP,
        3,
    ),
    "a partial of its own": (f"def forward(self, x):\n    {MLP}\n    return self.act(x)", LOOP, 5),
    "a module made on the way": (f"def forward(self, x):\n    {MLP}\n    return nn.SiLU()(x)", LOOP, 5),
    "a loop over a length": (
        f"def forward(self, x):\n    {MLP}\n    for index in range(x.shape[1]):\n        x = x + x[:, index:]\n    return x",
        LOOP,
        5,
    ),
    "a list filled over a length": (
        (
            f"def forward(self, x):\n    {MLP}\n    found = []\n    for index in range(x.shape[1]):\n"
            "        found.append(x[:, index])\n    return torch.stack(found, 1)"
        ),
        LOOP,
        5,
    ),
    "a list filled over a length and given back": (
        (
            f"def forward(self, x):\n    {MLP}\n    found = []\n    for index in range(x.shape[1]):\n"
            "        found.append(x[:, index])\n    return found"
        ),
        "for layer in self.layers:\n    x = torch.stack(layer(x), 1)",
        0,
    ),
    "the number format of its own weights": (
        f"def forward(self, x):\n    {MLP}\n    return x.to(next(p.dtype for p in self.parameters() if p.is_floating_point()))",
        LOOP,
        5,
    ),
    "an iterator that all read on": (
        f"def forward(self, x, model):\n    {MLP}\n    return x * next(model.first)",
        "self.first = iter(range(1, 7))\nfor layer in self.layers:\n    x = layer(x, self)",
        0,
    ),
    "weights changed before": (
        f"def forward(self, x):\n    {MLP}\n    return x",
        "for layer in self.layers:\n    layer.scale.mul_(2.0)" + LOOP,
        0,
    ),
    "an input kept by the model": (
        f"def forward(self, x, model):\n    {MLP}\n    return x + model.first",
        "self.first = x\nfor layer in self.layers:\n    x = layer(x, self)",
        4,
    ),
}


def traced(file: Path, monkeypatch: pytest.MonkeyPatch, on: bool) -> tuple[list[Any], Any, int]:
    hits = 0
    value = replay._Repetition.value

    def counted(self: Any) -> Any:
        nonlocal hits
        result = value(self)
        hits += 1
        return result

    with monkeypatch.context() as patch:
        patch.setattr(replay._Repetition, "value", counted)
        if not on:
            patch.setattr(replay, "worth", lambda run, library: False)
        (target,) = resolve(str(file), ("Model",))
        program = pipeline.new_program(target, Options(use_cache=False))
        module = program.module(target.module)
        (cls,) = pipeline.model_classes(program, module, ("Model",))
        MADE.clear()
        ran = forward(program, pipeline.build(program, target, cls, {}))
    assert ran.failure is None, ran.failure
    assert ran.trace is not None
    ops = [(*op[:5], {name: repr(value) for name, value in op.attrs.items()}, *op[6:]) for op in ran.trace.ops]
    outputs = {name: (tensor.node, tensor.shape) for name, tensor in outputs_in(ran.outputs)[0].items()}
    return (
        ops,
        (
            outputs,
            sorted(ran.trace.constants),
            ran.trace.examples,
            sorted(ran.trace.lost),
            [edge[1].qualname for edge in ran.edges],
        ),
        hits,
    )


@pytest.mark.parametrize("case", CASES)
def test_a_repetition_adds_what_a_run_adds(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method, body, expected = CASES[case]
    file = tmp_path / "modeling_x.py"
    file.write_text(
        HEAD.format(forward=textwrap.indent(method, "    "), body=textwrap.indent(body.strip("\n"), "        "))
    )
    ops, rest, hits = traced(file, monkeypatch, on=True)
    plain, plain_rest, none = traced(file, monkeypatch, on=False)
    assert ops == plain
    assert rest == plain_rest
    assert (hits, none) == (expected, 0)
