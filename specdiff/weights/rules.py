"""The library's own renaming and conversion rules for a class, interpreted from its loader's source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from specdiff.interp.containers import NotIterable
from specdiff.interp.lookups import lookup
from specdiff.interp.objects import BudgetExceeded, Instance, Raised
from specdiff.interp.values import Tensor, Unknown
from specdiff.project.build import Built
from specdiff.project.modules import Program
from specdiff.weights.model import Logical

_MARK = 1_000_003
"""Distance between the numbers that stand for a name's list positions: a rule that shifts one by a few stays readable."""
_INDEX = re.compile(r"(?<=\.)\d+(?=\.|$)|^\d+(?=\.)")
_LITERAL = re.compile(r"\.\d")
_STOPS = (Raised, NotIterable, BudgetExceeded, RecursionError)


@dataclass(frozen=True, slots=True)
class Renamed:
    """Where a stored tensor goes."""

    target: str
    """Name in the model before the operations of a converter split it."""
    converter: int | None
    """Index of the converter that takes it; None where it is only renamed."""
    pattern: str | None
    """The converter's source pattern that matched."""


class Rules:
    """Renames checkpoint names and converts groups of tensors as the library's loader does; owned by one comparison."""

    def __init__(self, program: Program, built: Built, names: Iterable[str]) -> None:
        self.notes: list[str] = []
        self._program = program
        self._run = program.run
        self._built = built
        self._transforms: list[Any] = []
        self._renamings: list[Any] = []
        self._converters: list[Any] = []
        self._plain: list[tuple[re.Pattern[str], str]] = []
        self._rename: Any = None
        self._templates: dict[str, tuple[str, int | None, str | None]] = {}
        prefix = lookup(built.cls, "base_model_prefix")[0]
        self._prefix = prefix if isinstance(prefix, str) else ""
        self._names = frozenset(names)
        self._marked = {_marked(name)[0]: True for name in self._names}
        self._exact = False
        self._is_read = False

    def ignored(self, name: str, attribute: str) -> bool:
        """Whether the class says that loading may pass a name over."""
        patterns = lookup(self._built.cls, attribute)[0]
        if not isinstance(patterns, list | tuple | set):
            return False
        return any(isinstance(pattern, str) and re.search(pattern, name) for pattern in patterns)

    def rename(self, name: str) -> Renamed:
        """The name under which a stored tensor is looked for in the model."""
        if name in self._names:
            return Renamed(name, None, None)
        if not self._is_read:
            # Reading the library's rules takes longer than everything else; most checkpoints need none of them.
            self._is_read = True
            self._read()
        template, numbers = (name, []) if self._exact else _marked(name)
        found = self._templates.get(template)
        if found is None:
            found = self._templates[template] = self._rename_one(template)
        target, converter, pattern = found
        return Renamed(target if self._exact else _unmarked(target, numbers), converter, pattern)

    def convert(
        self, converter: int, groups: Mapping[str, list[Logical]], target: str
    ) -> dict[str, tuple[int, ...]] | str:
        """Shapes by full parameter name after a converter's operations, or a sentence where they fail."""
        transform = self._converters[converter]
        tensors: Any = {
            pattern: [Tensor(item.shapes[0], "bfloat16") for item in items]
            for pattern, items in groups.items()
            if all(i.shapes for i in items)
        }
        if len(tensors) < len(groups):
            return "shapes of its tensors are not known"
        sources = list(transform.attrs.get("source_patterns", ()))
        targets = list(transform.attrs.get("target_patterns", ()))
        try:
            for operation in transform.attrs.get("operations", ()):
                tensors = self._run.call(
                    self._run.getattr(operation, "convert"),
                    (tensors,),
                    {
                        "source_patterns": sources,
                        "target_patterns": targets,
                        "full_layer_name": target,
                        "model": self._built.instance,
                        "config": self._built.config,
                        "missing_keys": None,
                    },
                )
                if not isinstance(tensors, dict):
                    return (
                        f"an operation of the library's conversion is not understood: {getattr(tensors, 'reason', '')}"
                    )
        except _STOPS as error:
            return f"the library's conversion fails: {_words(error)}"
        full = target.replace("*.", "0.")
        inside = next((key for key in tensors if key in full), None)
        shapes: dict[str, tuple[int, ...]] = {}
        for key, tensor in tensors.items():
            tensor = tensor[0] if isinstance(tensor, list) and len(tensor) == 1 else tensor
            shape = tensor.shape if isinstance(tensor, Tensor) else None
            known = tuple(size for size in shape or () if isinstance(size, int))
            if shape is None or len(known) != len(shape):
                return "the shapes after the library's conversion are not known"
            name = full if inside is None and len(tensors) == 1 else full.replace(inside or "", key, 1)
            shapes[name] = known
        return shapes

    def _read(self) -> None:
        old = lookup(self._built.cls, "_checkpoint_conversion_mapping")[0]
        if isinstance(old, dict):
            self._plain = [
                (re.compile(key), value)
                for key, value in old.items()
                if isinstance(key, str) and isinstance(value, str)
            ]
        module = self._program.module("transformers.conversion_mapping")
        core = self._program.module("transformers.core_model_loading")
        if isinstance(module, Unknown) or isinstance(core, Unknown) or (not self._prefix and not self._pretrained()):
            return
        try:
            function = module.get("get_model_conversion_mapping")
            self._rename = core.get("rename_source_key")
            found = self._run.call(function, (self._built.instance,), {})
        except _STOPS as error:
            self.notes.append(f"the library's conversion rules could not be read: {_words(error)}")
            return
        if not isinstance(found, list) or not all(isinstance(each, Instance) for each in found):
            self.notes.append(
                f"the library's conversion rules could not be read: {getattr(found, 'reason', 'not a list')}"
            )
            return
        self._transforms = found
        self._renamings = [each for each in found if not each.attrs.get("operations")]
        self._converters = [each for each in found if each.attrs.get("operations")]
        # A rule that names a list position itself cannot be applied to a name whose positions are replaced.
        self._exact = any(
            _LITERAL.search(pattern)
            for each in found
            for pattern in each.attrs.get("source_patterns", ())
            if isinstance(pattern, str)
        )

    def _pretrained(self) -> bool:
        return any(getattr(base, "name", "") == "PreTrainedModel" for base in self._built.cls.mro)

    def _rename_one(self, name: str) -> tuple[str, int | None, str | None]:
        known = self._names if self._exact else self._marked
        if self._transforms and self._rename is not None:
            try:
                answer = self._run.call(
                    self._rename,
                    (name, self._renamings, self._converters),
                    {"base_model_prefix": self._prefix, "meta_state_dict": dict.fromkeys(known, True)},
                )
                if isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[0], str):
                    renamed, pattern = answer
                    converter = (
                        next(
                            (
                                index
                                for index, each in enumerate(self._converters)
                                if pattern in each.attrs.get("source_patterns", ())
                            ),
                            None,
                        )
                        if pattern is not None
                        else None
                    )
                    if renamed not in known and converter is None:
                        renamed = self._with_prefix(renamed, known)
                    return renamed, converter, pattern if isinstance(pattern, str) else None
            except _STOPS as error:
                self.notes.append(f"a name could not be put through the library's rules: {_words(error)}")
        for pattern, replacement in self._plain:
            renamed, count = pattern.subn(replacement, name, count=1)
            if count:
                name = renamed
                break
        if name not in known:
            name = (
                re.sub(r"\.gamma$", ".weight", re.sub(r"\.beta$", ".bias", name))
                if name.endswith((".gamma", ".beta"))
                else name
            )
        return self._with_prefix(name, known), None, None

    def _with_prefix(self, name: str, known: Iterable[str]) -> str:
        """The base model's prefix added or taken off where that gives a name the model has."""
        if not self._prefix or name in known:
            return name
        shorter = name.removeprefix(f"{self._prefix}.")
        if shorter in known:
            return shorter
        longer = f"{self._prefix}.{name}"
        return longer if longer in known else name


def _words(error: BaseException) -> str:
    value = getattr(error, "value", None)
    text = getattr(value, "reason", None) or str(value if value is not None else error)
    return " ".join(str(text).split())[:200]


def _marked(name: str) -> tuple[str, list[int]]:
    """A name with its list positions replaced by marks in order, and the positions."""
    numbers: list[int] = []

    def mark(match: re.Match[str]) -> str:
        numbers.append(int(match[0]))
        return str(len(numbers) * _MARK)

    return _INDEX.sub(mark, name), numbers


def _unmarked(name: str, numbers: list[int]) -> str:
    def number(match: re.Match[str]) -> str:
        value = int(match[0])
        index, shift = divmod(value + _MARK // 2, _MARK)
        if not 1 <= index <= len(numbers):
            return match[0]
        return str(numbers[index - 1] + shift - _MARK // 2)

    return re.sub(r"\d+", number, name)
