"""Setting the hooks that collect hidden states natively gives what interpreting the library's own function gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from specdiff import pipeline
from specdiff.interp.dims import MADE
from specdiff.intrinsics import transformers_lib
from specdiff.options import Options
from specdiff.project.forward import forward, outputs_in
from specdiff.project.targets import resolve

SMALL = {
    "vision_config": {"model_type": "clip_vision_model", "num_hidden_layers": 3, "image_size": 28, "patch_size": 14},
    "text_config": {"model_type": "llama", "num_hidden_layers": 2},
}


def traced(monkeypatch: pytest.MonkeyPatch, natively: bool) -> list[Any]:
    with monkeypatch.context() as patch:
        if not natively:
            patch.delitem(transformers_lib.REPLACEMENTS, "recursively_install_hooks")
        (target,) = resolve("llava::LlavaForConditionalGeneration")
        program = pipeline.new_program(target, Options(use_cache=False))
        module = program.module(target.module)
        (cls,) = pipeline.model_classes(program, module, ("LlavaForConditionalGeneration",))
        MADE.clear()
        ran = forward(program, pipeline.build(program, target, cls, SMALL))
    assert ran.failure is None, ran.failure
    assert ran.trace is not None
    edges = [f"{caller.qualname if caller else ''} -> {callee.qualname}" for caller, callee in ran.edges]
    return [[op[:5] + op[6:] for op in ran.trace.ops], edges]


def test_hooks_are_set_where_the_library_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = traced(monkeypatch, natively=True)
    assert ours == traced(monkeypatch, natively=False)
    assert any("multi_modal_projector" in str(op) for op in ours[0]), (
        "it is given a hidden state that a hook has collected"
    )


LIBRARY = """
collected = []

def {name}(module, key, index{more}):
    def hook(module, args, output):
        collected.append(output)
    module.register_forward_hook(hook)

def recursively_install_hooks(parent_module, module_name, capture_tasks):
    raise NotImplementedError
"""
MODEL = """
import torch
from torch import nn
from ...utils.output_capturing import collected, recursively_install_hooks

class Layer(nn.Linear):
    pass

class Recorder:
    target_class, class_name, layer_name, index = Layer, None, None, 0

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 8)
        self.layers = nn.ModuleList([nn.Sequential(Layer(8, 8), nn.ReLU()) for _ in range(3)])
    def forward(self, input_ids):
        recursively_install_hooks(self, "", [("hidden_states", Recorder)])
        x = self.embed(input_ids)
        for layer in self.layers:
            x = layer(x)
        return torch.stack(collected)
"""


@pytest.mark.parametrize(
    ("name", "more"),
    [("install_output_capuring_hook", ", capture_initial_hidden_state=True"), ("install_output_capturing_hook", "")],
)
def test_releases_name_and_call_their_function_differently(name: str, more: str, tmp_path: Path) -> None:
    root = tmp_path / "transformers"
    (root / "models" / "tiny").mkdir(parents=True)
    (root / "utils").mkdir()
    for folder in (root, root / "utils", root / "models", root / "models" / "tiny"):
        (folder / "__init__.py").write_text("")
    (root / "utils" / "output_capturing.py").write_text(LIBRARY.format(name=name, more=more))
    (root / "models" / "tiny" / "modeling_tiny.py").write_text(MODEL)
    (target,) = resolve(f"{root / 'models' / 'tiny' / 'modeling_tiny.py'}::Model")
    program = pipeline.new_program(target, Options(use_cache=False))
    (cls,) = pipeline.model_classes(program, program.module(target.module), ("Model",))
    ran = forward(program, pipeline.build(program, target, cls, {}))
    assert ran.failure is None, ran.failure
    assert [str(tensor.shape) for tensor in outputs_in(ran.outputs)[0].values()] == ["(3, batch, sequence, 8)"]
