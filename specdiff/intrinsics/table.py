"""Puts the modelled libraries together: native functions, stub sources, and what replaces library code."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

from specdiff.interp.classes import Annotation
from specdiff.interp.objects import MISSING, ClassVal, Function, ModuleVal, Property, Value
from specdiff.interp.run import Run
from specdiff.interp.values import Intrinsic
from specdiff.intrinsics import (
    numpy_lib,
    stdlib_collections,
    stdlib_core,
    stdlib_inspect,
    stdlib_typing,
    torch_tables,
    transformers_lib,
)
from specdiff.intrinsics.torch_names import TENSOR_NAMES

AVAILABLE = frozenset(
    [
        "torch",
        "numpy",
        "transformers",
        "huggingface_hub",
        "packaging",
        "safetensors",
        "tokenizers",
        "regex",
        "yaml",
        "tqdm",
        "filelock",
        "requests",
        "typing_extensions",
        # Parts of torch itself.
        "torch_flex_attn",
        "torch_sdpa",
        # Modelled, so code that needs one of them can be followed.
        "pydantic",
    ]
)
"""Packages that the analysed code finds installed: torch and what transformers itself requires, nothing else.
The answer of an analysis must not depend on what else the user's machine has."""

_STANDARD_SUBMODULES = frozenset(
    [
        "os.path",
        "collections.abc",
        "importlib.util",
        "importlib.metadata",
        "importlib.machinery",
        "concurrent.futures",
        "urllib.parse",
        "urllib.request",
        "logging.handlers",
        "xml.etree",
        "multiprocessing.pool",
        "unittest.mock",
        "email.utils",
        "http.client",
    ]
)
_AVAILABILITY = re.compile(r"^is_(.+?)_available$")


class TableLibrary:
    """The modelled libraries. Implements `interp.run.Library`."""

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        for table in (stdlib_core.TABLE, stdlib_inspect.TABLE, stdlib_collections.TABLE, stdlib_typing.TABLE):
            self._merge(table)
        self._merge({name: Intrinsic(name, function) for name, function in torch_tables.FUNCTIONS.items()})
        self._merge(torch_tables.CONSTANTS)
        self.tensor_methods: dict[str, Callable[..., Any]] = torch_tables.TENSOR_METHODS
        self.tensor_attributes: dict[str, Callable[..., Any]] = torch_tables.TENSOR_ATTRIBUTES
        self.tensor_names = TENSOR_NAMES
        self.tensor_binary: dict[str, Callable[..., Any]] = torch_tables.TENSOR_BINARY
        self.tensor_inplace: dict[str, Callable[..., Any]] = torch_tables.TENSOR_INPLACE
        self.tensor_unary: dict[str, Callable[..., Any]] = torch_tables.TENSOR_UNARY
        self.getitem: Callable[..., Any] = torch_tables.getitem
        self.setitem: Callable[..., Any] = torch_tables.setitem
        self.decorators = transformers_lib.NEUTRAL_DECORATORS
        self.kept_arguments = transformers_lib.KEPT_ARGUMENTS
        self._modules = {name.rpartition(".")[0] for name in self.values}
        for name in list(self._modules):
            while name:
                self._modules.add(name)
                name = name.rpartition(".")[0]
        self._replaced: dict[str, Value] = {}

    def _merge(self, table: dict[str, Value]) -> None:
        for name, value in table.items():
            if name in self.values:
                raise AssertionError(f"{name} is modelled twice")
            self.values[name] = value

    def native(self, dotted: str) -> Value:
        """A natively modelled name, or `MISSING`."""
        value = self.values.get(dotted, MISSING)
        return numpy_lib.lookup(dotted) if value is MISSING and dotted.startswith("numpy.") else value

    def has_module(self, name: str) -> bool:
        """Whether a module without analysed source is known: modelled, or Python's own."""
        return (
            name in self._modules
            or name in numpy_lib.MODULES
            or name in sys.stdlib_module_names
            or name in _STANDARD_SUBMODULES
        )

    def is_standard(self, name: str) -> bool:
        """Whether a module of Python's own is modelled."""
        return name in self._modules and name.partition(".")[0] in sys.stdlib_module_names

    def missing_package(self, name: str) -> BaseException | None:
        """What importing a package raises that the analysed code does not find installed."""
        top = name.partition(".")[0]
        if top in AVAILABLE or top in sys.stdlib_module_names:
            return None
        return ModuleNotFoundError(f"No module named '{top}'")

    def replacement(self, module: str, name: str) -> Value:
        """What stands in for a function of the model library that is about the machine, or None."""
        if not module.startswith("transformers.") or module.startswith("transformers.models."):
            return None
        match = _AVAILABILITY.match(name)
        if match is not None:
            found = self._replaced.get(name)
            if found is None:
                answer = match.group(1) in AVAILABLE
                found = self._replaced[name] = Intrinsic(f"transformers.{name}", lambda ctx, *args, **kwargs: answer)
            return found
        return transformers_lib.REPLACEMENTS.get(name)

    def overlay(self, function: Function) -> Value:
        """See `Library.overlay`."""
        return None

    def adjust_class(self, run: Run, cls: ClassVal) -> None:
        """Give a class of the model library the methods of its overlay (`stubs/overlays`)."""
        module = cls.module.name
        if not module.startswith("transformers.") or module.startswith("transformers.models."):
            _note_config_class(run, cls)
            return
        if cls.name not in transformers_lib.OVERLAID_CLASSES:
            return
        overlays = run.loader.module("overlays.transformers")
        found = overlays.get(cls.name) if isinstance(overlays, ModuleVal) else MISSING
        if isinstance(found, ClassVal):
            for name, value in found.attrs.items():
                if isinstance(value, Function | Property) or name in ("__init_subclass__",):
                    cls.attrs[name] = value
        before = overlays.get(f"{cls.name}Before") if isinstance(overlays, ModuleVal) else MISSING
        for name, value in before.attrs.items() if isinstance(before, ClassVal) else ():
            if isinstance(value, Function):
                cls.attrs.setdefault(name, value)


def _note_config_class(run: Run, cls: ClassVal) -> None:
    """transformers derives a model's `config_class` from the annotation of its `config` (`PreTrainedModel.__init_subclass__`)."""
    annotation = cls.attrs.get("__annotations__", {}).get("config")
    if isinstance(annotation, Annotation) and cls.attrs.get("config_class") is None:
        if any(isinstance(base, ClassVal) and base.name == "PreTrainedModel" for base in cls.mro[1:]):
            cls.attrs["config_class"] = annotation.evaluate(run)


__all__ = ["AVAILABLE", "TableLibrary"]
