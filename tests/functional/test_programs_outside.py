"""Programs outside of transformers: how they get their arguments, and what their modules leave in each other."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from specdiff.options import Options
from specdiff.project.targets import resolve
from specdiff.session import Session, deeply

CASES: dict[str, tuple[dict[str, str], dict[str, object], dict[str, list[int]]]] = {
    "a mapping as the argument": (
        {
            "model.py": """
            from torch import nn
            class Net(nn.Module):
                def __init__(self, cfg):
                    super().__init__()
                    self.emb = nn.Embedding(cfg["vocab"], cfg["dim"])
            """
        },
        {"vocab": 7, "dim": 3},
        {"emb.weight": [7, 3]},
    ),
    "a named tuple as the argument": (
        {
            "model.py": """
            from typing import NamedTuple
            from torch import nn
            class Args(NamedTuple):
                dim: int
                out: int = 5
            class Net(nn.Module):
                def __init__(self, args: Args):
                    super().__init__()
                    self.fc = nn.Linear(args.dim, args.out, bias=False)
            """
        },
        {"dim": 3, "unrelated": 1},
        {"fc.weight": [5, 3]},
    ),
    "settings that are only handed on": (
        {
            "model.py": """
            from torch import nn
            class Part(nn.Module):
                def __init__(self, args):
                    super().__init__()
                    self.fc = nn.Linear(args.dim, args.dim, bias=False)
            class Net(nn.Module):
                def __init__(self, args):
                    super().__init__()
                    self.part = Part(args)
            """
        },
        {"dim": 3},
        {"part.fc.weight": [3, 3]},
    ),
    "a base of diffusers that keeps the arguments": (
        {
            "model.py": """
            from diffusers.configuration_utils import ConfigMixin, register_to_config
            from diffusers.models.modeling_utils import ModelMixin
            from torch import nn
            class Net(ModelMixin, ConfigMixin):
                @register_to_config
                def __init__(self, dim=2, depth=3):
                    super().__init__()
                    self.fc = nn.Linear(dim, self.config.depth, bias=False)
            """
        },
        {"dim": 5},
        {"fc.weight": [3, 5]},
    ),
    "parts of the settings that must be given and have defaults": (
        {
            "model.py": """
            from dataclasses import dataclass
            import torch
            from torch import nn
            @dataclass
            class Inner:
                dim: int = 4
            @dataclass
            class Settings:
                inner: Inner
                out: int = 2
            class Net(nn.Module):
                def __init__(self, config: Settings, compute_dtype: torch.dtype):
                    super().__init__()
                    self.fc = nn.Linear(config.inner.dim, config.out, bias=False, dtype=compute_dtype)
            """
        },
        {"out": 3},
        {"fc.weight": [3, 4]},
    ),
    "keyword arguments that are handed on": (
        {
            "model.py": """
            from torch import nn
            class Base(nn.Module):
                def __init__(self, dim, depth=1, causal=False):
                    super().__init__()
                    self.layers = nn.ModuleList([nn.Linear(dim, dim, bias=False) for _ in range(depth)])
            class Net(Base):
                def __init__(self, **kwargs):
                    super().__init__(causal=True, **kwargs)
            """
        },
        {"dim": 3, "depth": 2},
        {"layers.0.weight": [3, 3], "layers.1.weight": [3, 3]},
    ),
    "classes that register themselves": (
        {
            "registry.py": """
            KNOWN = {}
            def register(name):
                def wrap(cls):
                    KNOWN[name] = cls
                    return cls
                return wrap
            """,
            "parts.py": """
            from torch import nn
            from registry import register
            @register("mlp")
            class Mlp(nn.Module):
                def __init__(self, n):
                    super().__init__()
                    self.fc = nn.Linear(n, n, bias=False)
            """,
            "model.py": """
            from torch import nn
            import parts
            from registry import KNOWN
            class Net(nn.Module):
                def __init__(self, kind="mlp"):
                    super().__init__()
                    self.part = KNOWN[kind](4)
            """,
        },
        {},
        {"part.fc.weight": [4, 4]},
    ),
    "folders named like modules of Python": (
        {
            "copy/__init__.py": "",
            "types.py": "",
            "model.py": """
            import copy, types
            from torch import nn
            class Net(nn.Module):
                def __init__(self, n=2):
                    super().__init__()
                    config = copy.deepcopy(types.SimpleNamespace(n=n))
                    self.fc = nn.Linear(config.n, 1, bias=False)
            """,
        },
        {},
        {"fc.weight": [1, 2]},
    ),
    "timm's building blocks": (
        {
            "model.py": """
            from torch import nn
            from timm.models.layers import DropPath, to_2tuple
            from timm.layers import AttentionPoolLatent
            from timm.models.vision_transformer import Mlp
            class Net(nn.Module):
                def __init__(self, size=4):
                    super().__init__()
                    self.pool = AttentionPoolLatent(size, num_heads=2, mlp_ratio=2, qkv_bias=False)
                    height, width = to_2tuple(size)
                    self.drop = DropPath(0.1)
                    self.mlp = Mlp(height, 2 * width, bias=False)
            """
        },
        {},
        {
            "pool.latent": [1, 1, 4],
            "pool.q.weight": [4, 4],
            "pool.kv.weight": [8, 4],
            "pool.proj.weight": [4, 4],
            "pool.proj.bias": [4],
            "pool.mlp.fc1.weight": [8, 4],
            "pool.mlp.fc1.bias": [8],
            "pool.mlp.fc2.weight": [4, 8],
            "pool.mlp.fc2.bias": [4],
            "mlp.fc1.weight": [8, 4],
            "mlp.fc2.weight": [4, 8],
        },
    ),
    "a lazy package whose type-checking branch names files that are not there": (
        {
            "model.py": """
            from torch import nn
            from kit.wide import Part
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.part = Part()
            """,
            "kit/__init__.py": "",
            "kit/lazy.py": "def define_import_structure(path): ...\nclass _LazyModule: ...",
            "kit/wide/__init__.py": """
            from typing import TYPE_CHECKING
            from ..lazy import _LazyModule, define_import_structure
            if TYPE_CHECKING:
                from .modeling_old import *
            else:
                import sys
                _file = globals()["__file__"]
                sys.modules[__name__] = _LazyModule(__name__, _file, define_import_structure(_file))
            """,
            "kit/wide/modeling_new.py": """
            from torch import nn
            class Part(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.fc = nn.Linear(2, 3, bias=False)
            __all__ = ["Part"]
            """,
        },
        {},
        {"part.fc.weight": [3, 2]},
    ),
    "a layer that is named by its text": (
        {
            "model.py": """
            from torch import nn
            class Net(nn.Module):
                def __init__(self, norm="nn.LayerNorm", sizes="[2, 3]"):
                    super().__init__()
                    self.norms = nn.ModuleList([eval(norm)(size, bias=False) for size in eval(sizes)])
            """
        },
        {},
        {"norms.0.weight": [2], "norms.1.weight": [3]},
    ),
    "the fused layer of xformers": (
        {
            "model.py": """
            from torch import nn
            from xformers.ops import SwiGLU
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.mlp = SwiGLU(4, 6, bias=False)
            """
        },
        {},
        {"mlp.w12.weight": [12, 4], "mlp.w3.weight": [4, 6]},
    ),
    "everything out of a module that is not read": (
        {
            "model.py": """
            from typing import *
            from torch import nn
            class Net(nn.Module):
                def __init__(self, sizes: List[int] = [1, 2]):
                    super().__init__()
                    self.fcs = nn.ModuleList(map(lambda n: nn.Linear(n, 1, bias=False), reversed(sizes)))
            """
        },
        {},
        {"fcs.0.weight": [1, 2], "fcs.1.weight": [1, 1]},
    ),
    "a module that is hidden from its owner": (
        {
            "model.py": """
            from torch import nn
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    object.__setattr__(self, "hidden", nn.Linear(2, 2))
                    self.fc = nn.Linear(self.hidden.in_features, 1, bias=False)
                def __setattr__(self, name, value):
                    super().__setattr__(name, value)
            """
        },
        {},
        {"fc.weight": [1, 2]},
    ),
    "scripted modules": (
        {
            "model.py": """
            import torch
            from torch import nn
            Base = torch.jit.ScriptModule
            class Part(Base):
                def __init__(self, n):
                    super().__init__()
                    self.fc = nn.Linear(n, n, bias=False)
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.parts = nn.ModuleList([Part(2)])
            """
        },
        {},
        {"parts.0.fc.weight": [2, 2]},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_parameters(name: str, tmp_path: Path) -> None:
    files, settings, expected = CASES[name]
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(textwrap.dedent(text))
    config = tmp_path / "settings.json"
    config.write_text(json.dumps(settings))
    options = Options(config=config, only=frozenset({"parameters"}), use_cache=False)
    (target,) = resolve(str(tmp_path / "model.py"), ("Net",))
    (result,) = deeply(lambda: list(Session(options).analyse(target)))
    assert {key: list(shape) for key, shape in result.parameters.items()} == expected


def test_a_base_of_another_package_leaves_the_parameters_open(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(
        "from torch import nn\nfrom elsewhere import Base\n\n\nclass Net(Base):\n    def __init__(self):\n"
        "        super().__init__()\n        self.fc = nn.Linear(2, 3)\n"
    )
    (target,) = resolve(str(tmp_path / "model.py"), ("Net",))
    (result,) = deeply(lambda: list(Session(Options(use_cache=False)).analyse(target)))
    assert result.total_parameters is None
    reasons = [(note.reason, note.line) for note in result.undecided]
    words = "the class could not be built: Net inherits from elsewhere.Base: package elsewhere is not analysed"
    assert (words, 5) in reasons
