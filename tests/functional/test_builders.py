"""A model that a function of the file makes, and settings that a constructor has a default for, as a user asks for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from specdiff.cli import main

PARTS = """\
from torch import nn


class Stack(nn.Module):
    def __init__(self, layers, words):
        super().__init__()
        self.words, self.layers = words, nn.ModuleList(layers)

    def forward(self, input_ids):
        x = self.words(input_ids)
        for layer in self.layers:
            x = layer(x)
        return x
"""
BUILDERS = """\
import sys

from torch import nn

from .parts import Stack

MADE = {}


def registered(function):
    MADE[function.__name__] = sys.modules[function.__module__].__name__
    return function


def stack(depth: int, width: int, words: int = 50) -> Stack:
    return Stack([nn.Linear(width, width) for _ in range(depth)], nn.Embedding(words, width))


@registered
def small(**more) -> Stack:
    return stack(2, 8, **more)


def of_another_kind() -> int:
    return 3
"""
DEFAULTED = """\
from dataclasses import dataclass

from torch import nn


@dataclass
class Args:
    width: int = 8
    wide: int = None
    words: int = 50

    def __post_init__(self):
        self.wide = self.wide or 4 * self.width


class Net(nn.Module):
    def __init__(self, args: Args = Args(words=20)):
        super().__init__()
        self.words = nn.Embedding(args.words, args.width)
        self.up = nn.Linear(args.width, args.wide)

    def forward(self, input_ids):
        return self.up(self.words(input_ids))
"""


def parameters(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, dict[str, list[int]]]:
    assert main(["inspect", *arguments, "--format", "json", "--only", "parameters,live"]) == 0
    classes = json.loads(capsys.readouterr().out)["classes"]
    assert all(set(each["live"]) == set(each["parameters"]) for each in classes.values())
    return {name: each["parameters"] for name, each in classes.items()}


@pytest.mark.parametrize(
    ("target", "settings", "words"),
    [
        ("::small", [], 50),
        ("::small", ["words=30"], 30),
        ("::stack", ["depth=2", "width=8"], 50),
        ("", [], 50),
    ],
)
def test_a_function_that_makes_a_model_stands_for_a_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], target: str, settings: list[str], words: int
) -> None:
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "parts.py").write_text(PARTS)
    (tmp_path / "builders.py").write_text(BUILDERS)
    given = [piece for each in settings for piece in ("--set", each)]
    found = parameters(capsys, f"{tmp_path / 'builders.py'}{target}", *given)
    layers = {f"layers.{i}.{name}": shape for i in (0, 1) for name, shape in (("weight", [8, 8]), ("bias", [8]))}
    assert found == {target.strip(":") or "small": {"words.weight": [words, 8], **layers}}


@pytest.mark.parametrize(
    ("settings", "words", "wide"),
    [({}, 20, 32), ({"width": 8, "words": 30}, 30, 32), ({"wide": 5, "unread": 1}, 20, 5)],
)
def test_settings_go_before_the_default_of_a_constructor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: dict[str, int], words: int, wide: int
) -> None:
    (tmp_path / "model.py").write_text(DEFAULTED)
    (tmp_path / "params.json").write_text(json.dumps(settings))
    found = parameters(capsys, str(tmp_path / "model.py"), "--config", str(tmp_path / "params.json"))
    assert found["Net"] == {"words.weight": [words, 8], "up.weight": [wide, 8], "up.bias": [wide]}
