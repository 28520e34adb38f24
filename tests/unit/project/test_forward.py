"""Running ``forward``: what comes out in which mode, and what torch would refuse."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from specdiff.api import inspect
from specdiff.options import Options
from specdiff.pipeline import analyse, new_program
from specdiff.project import forward as running
from specdiff.project.build import build, model_classes
from specdiff.project.forward import forward, outputs_in
from specdiff.project.targets import resolve
from specdiff.session import deeply

MODEL = """
import torch
from torch import nn
import torch.nn.functional as F

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 64)
        self.inner = nn.Linear(64, 48)
        self.outer = nn.Linear(48, 64)

    def forward(self, tokens: torch.Tensor, start_pos: int = 0):
        x = self.embed(tokens)
        batch, length, width = x.shape
        {body}
"""
PADDED_MASK = """mask = 1 - F.pad(torch.ones(tokens.shape), (0, 3), value=0)[:, None]
        mask = mask.masked_fill(mask.bool(), -1e9) * mask
        return x[:, :1] if (mask > 0).any().item() else x"""
SHAPES = [
    ("return self.outer(self.inner(x))", "(batch, sequence, 64)"),
    ("return x.view(batch, length, 8, -1).transpose(1, 2)", "(batch, 8, sequence, 8)"),
    ("return torch.cat([x, x], dim=1)", "(batch, 2*sequence, 64)"),
    ("return torch.einsum('bsh,bth->bst', x, x)", "(batch, sequence, sequence)"),
    ("return x[:, -1:] + x", "(batch, sequence, 64)"),
    ("return x.unflatten(-1, (4, 16)).flatten(1, 2)", "(batch, 4*sequence, 16)"),
    ("return F.pad(x, (0, 0, 1, 2))", "(batch, sequence+3, 64)"),
    ("return x[:, : torch.tensor([17, 1]).max()]", "(batch, min(sequence, 17), 64)"),
    ("return F.pad(x, (0, 0, 3, 0))[:, -length:]", "(batch, sequence, 64)"),
    ("return F.pad(x, (0, 0, 3, 0))[:, :-length]", "(batch, 3, 64)"),
    ("return x[:, -2 * length :]", "(batch, sequence, 64)"),
    ("return x[:, :5] if length < 4 else x", "(batch, sequence, 64)"),
    ("return x[:, :1] * tokens.max().item()", "(batch, 1, 64)"),
    ("return x[tokens[0, 0].item()]", "(sequence, 64)"),
    ("return torch.cat(x.split([int(tokens.max()), int(tokens.min())], dim=1), dim=1)", "(batch, sequence, 64)"),
    ("return torch.stack([row * (index + 1) for index, row in enumerate(x)])", "(batch, sequence, 64)"),
    ("return torch.stack([row + part[:, None] for row, part in zip(x, tokens)])", "(batch, sequence, 64)"),
    ("return torch.tensor(list(range(length))[::-1])", "(sequence,)"),
    ("return x.new_zeros(len([0] * length), 3)", "(sequence, 3)"),
    ("return x.new_zeros(3, sum([2] * length))", "(3, 2*sequence)"),
    ("return x[:, :1] if length // 4 > 1 else x", "(batch, 1, 64)"),
    ("return x.new_zeros(int(torch.distributions.Normal(0, 1).icdf(torch.tensor(0.975)).item() * 100))", "(195,)"),
    ("x.unsqueeze_(1)\n        return x", "(batch, 1, sequence, 64)"),
    ("x.unsqueeze_(0).squeeze_(0)\n        return x.transpose_(1, 2)", "(batch, 64, sequence)"),
    ("y = x[:, 0]\n        y.t_()\n        return torch.stack([x[:, 1].t(), y])", "(2, 64, batch)"),
    ("y = x[0]\n        y.swapaxes_(0, 1).mul_(2)\n        return x + y.t()", "(batch, sequence, 64)"),
    ("x.resize_(3, 5)\n        return x", "(3, 5)"),
    (
        "if tokens.sum() > 0:\n            x.unsqueeze_(0)\n        else:\n            x.mul_(2).unsqueeze_(0)\n        return x.new_zeros(x.shape)",
        "(1, batch, sequence, 64)",
    ),
    (
        "if tokens.sum() > 0:\n            x.transpose_(0, 2)\n        return x.sum(1).new_zeros(x.size(1), 2)",
        "(sequence, 2)",
    ),
    ("return x.narrow(1, 0, tokens.argmax())[:, :0]", "(batch, 0, 64)"),
    (
        PADDED_MASK,
        "(batch, sequence, 64)",
    ),
    (
        """mask = torch.where(torch.ones_like(tokens).clamp(min=0, max=1).bool() & (tokens > 2), 0.0, -1e9)
        mask[torch.ones_like(tokens) == 2] = 1e9
        return x[:, :1] if (mask > 0).any() else x""",
        "(batch, sequence, 64)",
    ),
    ("return x if torch.all(torch.ones_like(tokens) == 1) else x[:, :1]", "(batch, sequence, 64)"),
    ("return x[:, :1] if 0 < torch.zeros_like(tokens).max() else x", "(batch, sequence, 64)"),
    ("return x[:, :1] if torch.max(torch.arange(length)[None] + 3) + 1 > 4096 else x", "(batch, sequence, 64)"),
    ("return x[:, :1] if torch.arange(2, length + 2).min() and 4 > torch.arange(4).max() else x", "(batch, 1, 64)"),
    ("return x.new_zeros(torch.arange(length).max().item() + 1, 3)", "(sequence, 3)"),
    ("return torch.arange(torch.arange(length)[-1] + 1)", "(sequence,)"),
    ("return torch.full((length, torch.arange(length)[0] + length + 1), 1.0)", "(sequence, sequence+1)"),
    ("return x[:, :1] if torch.arange(5, length + 5).long()[0] else x", "(batch, 1, 64)"),
    ("return torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))", "(batch, sequence, 32)"),
]
OPEN = [
    "return x[:, :1] if (F.pad(torch.ones(tokens.shape), (0, 3)) == 1).all() else x",
    "return x[:, :1] if (torch.ones(tokens.shape) * tokens == 1).all() else x",
    "seen = torch.zeros(batch)\n        for row in tokens.T:\n            seen = seen + 1\n        return x[:, :1] if seen.max() > 1 else x",
    "mask = torch.ones(tokens.shape)\n        mask[:, 0] = tokens[:, 0]\n        return x[:, :1] if mask.all() else x",
    "mask = torch.where(tokens > 2, 0.0, 1.0)\n        return x[:, :1] if mask.max() > 0 else x",
    "mask = torch.zeros(tokens.shape)\n        mask[tokens > 2] = 1\n        return x[:, :1] if mask.any() else x",
    "return x[:, :1] if torch.max(torch.arange(length) * tokens) > 4 else x",
    "return x[:, :1] if torch.max(torch.arange(length)) > 40 else x",
    "mask = torch.ones(tokens.shape)\n        mask[:, :2].zero_()\n        return x[:, :1] if mask.all() else x",
]
"""Branches that hang on what data, or the other turns of a loop, make of a tensor."""
STYLES = sorted((Path(__file__).parents[2] / "cases" / "forward").glob("*.py"))
"""Files in the manner of other code bases; the first line has the class and the shape of its first output."""


def _target(folder: Path, body: str):
    path = folder / "model.py"
    path.write_text(MODEL.replace("{body}", body))
    return resolve(str(path), ("Model",))[0]


@pytest.mark.parametrize(("body", "expected"), SHAPES)
def test_output_shape(tmp_path: Path, body: str, expected: str) -> None:
    target = _target(tmp_path, body)

    def run() -> str:
        program = new_program(target, Options(use_cache=False))
        cls = program.module(target.module).get("Model")
        ran = forward(program, build(program, target, cls, {}))
        assert ran.failure is None
        assert not list(ran.undecided_operations())
        return str(outputs_in(ran.outputs)[0]["output"].shape)

    assert deeply(run) == expected


def test_state_that_a_run_left_is_no_part_of_the_next_runs_trace(tmp_path: Path) -> None:
    body = """if not hasattr(self, "cache"):
            self.cache = torch.zeros(4, 64, 64)
        self.cache = self.cache.to(x)
        self.cache[:batch, :length] = x
        return self.outer(self.inner(self.cache[:batch, :length]))"""
    target = _target(tmp_path, body)

    def run() -> list[bool]:
        program = new_program(target, Options(use_cache=False))
        built = build(program, target, program.module(target.module).get("Model"), {})
        runs = [forward(program, built, mode) for mode in ("prefill", "padded", "prefill")]
        return [all(source < op.id for op in ran.trace.ops for source in op.inputs) for ran in runs]

    assert deeply(run) == [True, True, True]


STATEFUL = """
import torch
from torch import nn

class Model(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.words = nn.Embedding(20, width)

    def forward(self, input_ids, state=None, use_cache=True):
        x = self.words(input_ids)
        if state is None:
            state = [torch.zeros_like(x[:, 0])]
        else:
            for _ in range(40):
                state[0][:, :] = state[0] + x[:, -1]
        return {"logits": x, "state": state}
"""


def test_what_a_later_run_does_to_a_state_in_place_does_not_change_where_it_came_from(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(STATEFUL)
    (found,) = inspect(str(tmp_path / "model.py"), Options(operations=True, use_cache=False))
    assert not [finding.message for finding in found.findings if finding.id == "build.defect"]
    prompt = [each for part in found.computed if part.run == "" for each in part.operations]
    assert [each.kind for each in prompt if each.kind in ("output", "add")] == ["output", "output"]


def _ran(folder: Path, body: str):
    target = _target(folder, body)
    program = new_program(target, Options(use_cache=False))
    return forward(program, build(program, target, program.module(target.module).get("Model"), {}))


@pytest.mark.parametrize("body", OPEN)
def test_branches_on_what_is_not_known(tmp_path: Path, body: str) -> None:
    ran = deeply(lambda: _ran(tmp_path, body))
    assert ran.failure is None
    assert [op.kind for op in ran.undecided_operations()] == ["join"]


def test_where_a_run_got_stuck_guessed_inputs_prove_nothing(tmp_path: Path) -> None:
    """Tokens of another rank, tried because the plain run is not known to go on, are refused: that is no defect."""
    body = """x = torch.cat([self.inner.weight[:1, None].expand(x.shape[0], 1, 64), x], dim=1)
        scale = None
        if tokens.sum() > 3:
            scale = 2.0
        return self.outer(self.inner(x * scale))"""
    any_rank = MODEL.replace("batch, length, width = x.shape\n", "\n")
    path = tmp_path / "model.py"
    path.write_text(any_rank.replace("{body}", body).replace("tokens", "input_ids"))
    (result,) = inspect(str(path), Options(only=frozenset({"findings", "verdict"}), use_cache=False))
    assert result.verdict == "undecided"
    assert not [each for each in result.findings if each.id.startswith("shape.")]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("return F.avg_pool1d(x, 0)", "stride should not be zero"),
        ("return F.max_pool1d(x, 0, 1)", "kernel size should be greater than zero"),
    ],
)
def test_refused_windows(tmp_path: Path, body: str, text: str) -> None:
    ran = deeply(lambda: _ran(tmp_path, body))
    assert ran.failure is not None
    assert text in ran.failure.message


@pytest.mark.parametrize(
    ("mode", "name", "shape"),
    [
        ("prefill", "logits", "(batch, sequence, 32000)"),
        ("decode", "logits", "(batch, 1, 32000)"),
        ("decode", "past_key_values.layers.0.keys", "(batch, 32, sequence+1, 128)"),
        ("train", "loss", "()"),
    ],
)
def test_modes(mode: str, name: str, shape: str) -> None:
    target = resolve("llama", ("LlamaForCausalLM",))[0]

    def run() -> str:
        program = new_program(target, Options())
        cls = program.module(target.module).get("LlamaForCausalLM")
        ran = forward(program, build(program, target, cls, {"num_hidden_layers": 2}), mode)
        assert ran.failure is None
        return str(outputs_in(ran.outputs)[0][name].shape)

    assert deeply(run) == shape


SEEN_AT_EVERY_STEP = '''
import torch
from torch import nn
from transformers.cache_utils import DynamicCache
from transformers.modeling_outputs import BaseModelOutputWithPast, Seq2SeqModelOutput
from transformers.modeling_utils import PreTrainedModel
from transformers.configuration_utils import PreTrainedConfig

class Config(PreTrainedConfig):
    model_type = "seen"
    image_size = 32

class Layers(PreTrainedModel):
    config_class = Config
    def __init__(self, config):
        super().__init__(config)
        self.embed, self.keys = nn.Embedding(50, 8), nn.Linear(8, 8)
    def tokens(self, input_ids, past_key_values):
        past_key_values = DynamicCache() if past_key_values is None else past_key_values
        k = self.keys(self.embed(input_ids))[:, None]
        return past_key_values.update(k, k, 0)[0], past_key_values

class WithPicture(Layers):
    def __init__(self, config):
        super().__init__(config)
        self.patches = nn.Conv2d(3, 8, 32, 32)
    def forward(self, input_ids, pixel_values=None, past_key_values=None, use_cache=None):
        if pixel_values is None:
            raise ValueError("You have to specify pixel_values")
        x, past_key_values = self.tokens(input_ids, past_key_values)
        x = x[:, 0] + self.patches(pixel_values).mean((2, 3))[:, None]
        return BaseModelOutputWithPast(last_hidden_state=x, past_key_values=past_key_values)

class OfCodebooks(Layers):
    def forward(self, input_ids, past_key_values=None, use_cache=None):
        """
        Args:
            input_ids (`torch.LongTensor` of shape `(batch_size, sequence_length, 4)`):
                A number for each codebook.
        """
        x, past_key_values = self.tokens((input_ids + torch.arange(4)).sum(-1), past_key_values)
        return BaseModelOutputWithPast(last_hidden_state=x[:, 0], past_key_values=past_key_values)

class WithMemory(Layers):
    def forward(self, input_ids=None, decoder_input_ids=None, encoder_outputs=None, past_key_values=None, use_cache=None):
        memory = self.embed(input_ids) if encoder_outputs is None else encoder_outputs.last_hidden_state
        x, past_key_values = self.tokens(decoder_input_ids, past_key_values)
        x = x[:, 0] + memory.mean(1, keepdim=True)
        return Seq2SeqModelOutput(
            last_hidden_state=x, past_key_values=past_key_values, encoder_last_hidden_state=memory
        )
'''


@pytest.mark.parametrize(
    ("name", "length"), [("WithPicture", "sequence"), ("WithMemory", "target_sequence"), ("OfCodebooks", "sequence")]
)
def test_a_further_token_has_what_each_step_asks_for(name: str, length: str, tmp_path: Path) -> None:
    (tmp_path / "modeling_seen.py").write_text(SEEN_AT_EVERY_STEP)
    (target,) = resolve(f"{tmp_path / 'modeling_seen.py'}::{name}")
    program = new_program(target, Options(use_cache=False))
    module = program.module(target.module)
    (cls,) = model_classes(program, module, (name,))
    ran = forward(program, build(program, target, cls, {}), "decode")
    assert ran.failure is None, ran.failure
    outputs = {name: str(tensor.shape) for name, tensor in outputs_in(ran.outputs)[0].items()}
    assert outputs["last_hidden_state"].startswith(f"(batch, {length}+1, 8)"), outputs


def test_training_is_given_what_it_alone_asks_for(tmp_path: Path) -> None:
    path = tmp_path / "tagger.py"
    path.write_text("""
import torch
from torch import nn

class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 32)
        self.score = nn.Linear(32, 5)

    def forward(self, input_ids, token_kinds=None, labels=None):
        if self.training and token_kinds is None:
            raise ValueError("`token_kinds` is needed in training")
        logits = self.score(self.embed(input_ids).mean(1))
        loss = None
        if labels is not None:
            loss = nn.functional.binary_cross_entropy_with_logits(logits, labels)
        return {"loss": loss, "logits": logits}
""")
    target = resolve(str(path), ("Tagger",))[0]

    def run() -> tuple[str, str]:
        program = new_program(target, Options(use_cache=False))
        ran = forward(program, build(program, target, program.module(target.module).get("Tagger"), {}), "train")
        assert ran.failure is None
        return str(outputs_in(ran.outputs)[0]["loss"].shape), str(ran.inputs["labels"].shape)

    assert deeply(run) == ("()", "(batch, 5)")


REFERENCE = """
import dataclasses
import enum
from typing import List, Optional, Tuple, Union
import torch
from torch import nn

class Kind(enum.Enum):
    FULL = 1

@dataclasses.dataclass
class Config:
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    hidden_size: int = 64

class Layer(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.kind = Kind.FULL
        self.kv = nn.Linear(64, 64)

    def forward(self, x, table, positions, cache):
        keys, values = cache
        keys.index_copy_(1, positions, self.kv(x).view(x.shape[0], -1, 4, 16))
        return x * table + keys.flatten(2)

class Model(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.embed = nn.Embedding(100, 64)
        self.layers = nn.ModuleList([Layer(config) for _ in range(config.num_hidden_layers)])

    def forward(self, token_ids, input_positions, lengths: List[int], caches: List[Tuple[torch.Tensor, torch.Tensor]],
                temperatures: Union[torch.Tensor, None]):
        assert temperatures is None and sum(lengths) == token_ids.shape[1]
        tables = {Kind.FULL: torch.ones(64)}
        x = self.embed(token_ids)
        for layer, cache in zip(self.layers, caches):
            x = layer(x, tables.get(layer.kind), input_positions, cache)
        return x
"""


def test_callers_caches_and_lengths_come_from_annotations(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(REFERENCE)
    (target,) = resolve(f"{tmp_path / 'model.py'}::Model")
    options = Options(use_cache=False)
    program = new_program(target, options)
    (result,) = deeply(lambda: list(analyse(program, target, options)))
    assert {use.name for use in result.uses} == set(result.parameters)


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.stem)
def test_code_in_other_styles(path: Path) -> None:
    name, _, expected = path.read_text().partition("\n")[0].removeprefix("# ").partition(" -> ")
    target = resolve(str(path), (name,))[0]

    def run() -> str:
        program = new_program(target, Options(use_cache=False))
        cls = program.module(target.module).get(name)
        ran = forward(program, build(program, target, cls, {}))
        assert ran.failure is None
        assert not list(ran.undecided_operations())
        return str(next(iter(outputs_in(ran.outputs)[0].values())).shape)

    assert deeply(run) == expected


def test_a_kernel_of_another_language_leaves_it_open(tmp_path: Path) -> None:
    path = tmp_path / "kernels.py"
    path.write_text("""
import torch
import triton
import triton.language as tl
from torch import nn

@triton.jit
def _doubled(x, y, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + at, tl.load(x + at, mask=at < n) * 2, mask=at < n)

def doubled(x):
    y = torch.empty_like(x)
    _doubled[(triton.cdiv(x.numel(), 128),)](x, y, x.numel(), BLOCK=128)
    return y

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 8)

    def forward(self, tokens):
        return doubled(self.embed(tokens))
""")
    target = resolve(str(path), ("Model",))[0]

    def run() -> tuple[str, str, int]:
        program = new_program(target, Options(use_cache=False))
        ran = forward(program, build(program, target, program.module(target.module).get("Model"), {}))
        assert ran.failure is not None
        return ran.failure.kind, ran.failure.message, ran.failure.places[0].line

    kind, message, line = deeply(run)
    assert kind == "Undecided"
    assert "_doubled is launched as a kernel of another language" in message
    assert line == 14


TRIES = {
    "positions of pictures that no cache has to do with": (
        """
        class Tower(nn.Module):
            def forward(self, x):
                return x[:, torch.arange(int(x.sum()))].sum(1, keepdim=True)
        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.embed, self.tower = nn.Embedding(100, 8), Tower()
            def forward(self, input_ids, past_key_values=None, use_cache=None):
                x = self.embed(input_ids)
                return x + self.tower(x)
        """,
        1,
    ),
    "positions counted where a cache is": (
        """
        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.embed = nn.Embedding(100, 8)
            def forward(self, input_ids, past_key_values=None, use_cache=None):
                x = self.embed(input_ids)
                return x[:, torch.arange(int(x.sum()))] if use_cache is not False else x
        """,
        2,
    ),
    "a late failure that other shapes do not change": (
        """
        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.scale, self.missing = nn.Parameter(torch.ones(1)), None
            def forward(self, pixel_values):
                x = pixel_values
                for _ in range(600):
                    x = x + self.scale
                return self.missing.scale
        """,
        2,
    ),
}


@pytest.mark.parametrize("case", TRIES)
def test_how_often_forward_is_run(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, expected = TRIES[case]
    (tmp_path / "modeling_x.py").write_text("import torch\nfrom torch import nn\n" + textwrap.dedent(text))
    (target,) = resolve(str(tmp_path / "modeling_x.py"), ("Model",))
    program = new_program(target, Options(use_cache=False))
    (cls,) = model_classes(program, program.module(target.module), ("Model",))
    tried: list[object] = []
    attempt = running._attempt
    monkeypatch.setattr(running, "_attempt", lambda *args: tried.append(args) or attempt(*args))
    forward(program, build(program, target, cls, {}))
    assert len(tried) == expected
