"""What the text of a model's code mentions, for what only training does and a run of ``forward`` does not show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from specdiff.audit.initial import written_sines
from specdiff.audit.subject import Words, words
from specdiff.audit.walk import without_words
from specdiff.interp.lookups import lookup
from specdiff.interp.objects import Instance, Value
from specdiff.project.build import Built
from specdiff.project.modules import Program
from specdiff.results import ModuleNode

_ALL_SETTINGS = re.compile(
    r"\bvars\s*\(|\basdict\s*\(|\.\s*__dict__\b|\*\*\s*\w*(?:config|cfg|args|params)\b|\.\s*to_dict\s*\("
)
"""Code that takes all settings at once may read any of them."""


_DROPS = re.compile(r"drop|bernoulli", re.IGNORECASE)
_NO_DROPOUT = re.compile(r"\bdropout(?:_p)?\s*=\s*0(?:\.0*)?(?![\w.])")
"""An argument that says that nothing is dropped."""


class Mentioned:
    """The names and words of the code that was read for one class, configurations and the library left out."""

    def __init__(self, program: Program, built: Built, tree: ModuleNode, settings: Mapping[str, Any]) -> None:
        self._program = program
        self._cls = built.cls
        self._config = built.config
        self._tree = tree
        self._settings = settings

    def reads(self, setting: str, library: bool = False) -> bool:
        """Whether a line may read a setting: by its name, or by another that the configuration gives it.

        Args:
            setting: Its name.
            library: Whether the library itself reads such a setting of any configuration that is one of its own.
        """
        ours = isinstance(self._config, Instance) and "config" in self._config.cls.flags
        if self._takes_all or (library and ours):
            return True
        names = {setting}
        for renames in self._renames:
            names |= {one for pair in renames.items() for one in pair if setting in pair}
        return any(names & (each.any | each.quoted) for each in self._words)

    def drops(self) -> bool:
        """Whether anything may set values to zero at random: a line that mentions it, or a module of a library."""
        texts = (_NO_DROPOUT.sub("", without_words(unit.text)) for unit in self._units)
        return any(_DROPS.search(text) for text in texts) or _drops(self._tree)

    def sines(self, parameter: str) -> tuple[bool | None, str, int] | None:
        """Whether the weight initialiser writes sines and cosines into a parameter, with file and line.

        None where it writes nothing into it; an answer of None where a condition is not known.
        """
        texts = (unit.text for unit in self._units)
        return written_sines(self._cls, self._tree, parameter, texts, self._settings.get)

    @cached_property
    def _words(self) -> list[Words]:
        return [words(unit) for unit in self._units]

    @cached_property
    def _takes_all(self) -> bool:
        return any(_ALL_SETTINGS.search(unit.text) for unit in self._units)

    @cached_property
    def _units(self) -> list[Any]:
        return [
            module.unit
            for module in list(self._program.modules.values())
            if module.unit is not None
            and self._program.defined_in_models(module.name)
            and not module.unit.path.stem.startswith(("configuration", "__init__"))
        ]

    @cached_property
    def _renames(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []

        def visit(value: Value, depth: int) -> None:
            if isinstance(value, Instance) and depth < 4:
                renames = lookup(value.cls, "attribute_map")[0]
                if isinstance(renames, dict):
                    found.append({str(name): str(other) for name, other in renames.items()})
                for item in value.attrs.values():
                    visit(item, depth + 1)

        visit(self._config, 0)
        return found


def _drops(node: ModuleNode) -> bool:
    """Whether a built module, or one inside it, keeps a share that it drops."""
    kept = [value for name, value in node.settings.items() if "drop" in name]
    if "Drop" in node.class_name:
        kept.append(node.settings.get("p", True))
    return any(value not in (0, None, False) for value in kept) or any(map(_drops, node.children))
