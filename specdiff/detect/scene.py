"""What detectors read: the operations of ``forward``, the parameters, the configuration, and the blocks found in them."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

from specdiff import vocab
from specdiff.detect.norm_sites import Norm, norms
from specdiff.detect.sites import Attention, attentions
from specdiff.facts import Absence, Evidence, Fact, FactSheet, Level, Undecided, Value
from specdiff.graph.operations import Operations
from specdiff.interp.trace import Op

_LAYER = re.compile(r"^(?:|.*\.)(\d+)$")


@dataclass(slots=True)
class Block:
    """One layer of a stack."""

    index: int
    path: str
    """Module path."""
    ops: list[Op]
    """Operations inside it, in order."""
    attentions: list[Attention] = field(default_factory=list)
    norms: list[Norm] = field(default_factory=list)
    mixer: tuple[str, Op | None] = ("", None)
    """What mixes tokens, in the words of `layers.pattern`, and the operation that shows it; detectors of mixers set it."""


@dataclass(slots=True)
class Tower:
    """One stack of layers with its place in the model."""

    prefix: str
    """Prefix of its keys: empty, `vision`, `audio`, `encoder` or `decoder`."""
    path: str
    """Module path of the container."""
    blocks: list[Block]
    stages: tuple[int, ...] = ()
    """Blocks per stage of a hierarchical model; empty for others."""

    @property
    def root(self) -> str:
        """Module path of the model part that owns the stack."""
        return self.path.rpartition(".")[0]

    def key(self, key: str) -> str:
        """A key with the tower's prefix."""
        return f"{self.prefix}.{key}" if self.prefix else key


class Text(Protocol):
    """The text of the model's code, for what only training does."""

    def reads(self, setting: str, library: bool = False) -> bool:
        """Whether a line may read a setting, one of the library's too if it reads such a setting of any model."""

    def sines(self, parameter: str) -> tuple[bool | None, str, int] | None:
        """Whether the weight initialiser writes sines and cosines into a parameter, with file and line."""

    def drops(self) -> bool:
        """Whether anything may set values to zero at random."""


class Scene:
    """One analysed class as detectors see it, and the sheet they write to."""

    def __init__(
        self,
        operations: Operations | None,
        parameters: Mapping[str, tuple[int, ...]],
        places: Mapping[str, tuple[str, int]],
        tied: Iterable[tuple[str, str]],
        config: Mapping[str, Value],
        config_place: Callable[[str], tuple[str, int] | None],
        here: tuple[str, int],
        why_not: str = "",
        refused: bool = False,
        length: tuple[int, int | None] | None = None,
        untold: tuple[str, ...] = (),
        text: Text | None = None,
    ) -> None:
        self.operations = operations
        """None where ``forward`` could not be followed to its end."""
        self.parameters = parameters
        self.places = places
        """Where each parameter was made."""
        self.tied = tuple(tied)
        self.config = config
        """The configuration as plain values, parts as nested mappings."""
        self.config_place = config_place
        """Where a setting stands, by dotted name: the configuration's class or file, and the line."""
        self.here = here
        """The class's own file and line."""
        self.why_not = why_not
        """Why ``forward`` could not be followed."""
        self.refused = refused
        """Whether that is because Python or torch would raise: then nothing that is only declared is believed."""
        self.length = length
        """The least and the greatest number of tokens that the prompt stands for, where it is longer than an ordinary one."""
        self.untold = untold
        """Inputs that would say which tokens stand for pictures, and that the run was not given."""
        self.text = text
        """What the text of the code mentions; None where it is not at hand."""
        self.facts: dict[str, Fact] = {}
        self.absences: dict[str, Absence] = {}
        self.undecided: dict[str, Undecided] = {}
        self.memo: dict[str, Any] = {}
        """What one detector worked out and others read."""

    def of_longer(self, operations: Operations, length: tuple[int, int | None]) -> Scene:
        """The same class with the operations of a longer prompt."""
        places, config = self.places, self.config
        return Scene(
            operations, self.parameters, places, self.tied, config, self.config_place, self.here, length=length
        )

    def of_other_numbers(self, operations: Operations) -> Scene:
        """The same class with the operations of a run whose inputs hold other plain numbers."""
        other = self.of_longer(operations, self.length or (0, None))
        other.length, other.untold, other.text, other.why_not = self.length, self.untold, self.text, self.why_not
        return other

    # --- Writing -------------------------------------------------------------------------------

    def fact(self, key: str, value: Value, evidence: Iterable[Evidence], level: Level = Level.USED) -> None:
        """Add a fact; a higher level replaces a lower one, a contradiction at the same level makes the key undecided."""
        found = tuple(dict.fromkeys(evidence))
        old = self.facts.get(key)
        if old is not None and old.level >= level:
            if old.level == level and old.value != value:
                del self.facts[key]
                first = found[0] if found else Evidence(*self.here, self.here[1], "")
                self.undecided[key] = Undecided(
                    f"two readings of the code: {old.value} and {value}", first.file, first.line, key
                )
            return
        if key in self.undecided:
            return
        self.absences.pop(key, None)
        self.facts[key] = Fact(key, value, level, found)

    def absent(self, key: str, reason: str, evidence: Iterable[Evidence] = (), level: Level = Level.USED) -> None:
        """Say that the code has no such thing."""
        if key not in self.facts and key not in self.undecided:
            found = tuple(dict.fromkeys(evidence)) or (Evidence(*self.here, self.here[1], "read to its end"),)
            self.absences[key] = Absence(key, reason, found, level)

    def unsure(self, key: str, reason: str, op: Op | Evidence | None = None, values: tuple[Value, ...] = ()) -> None:
        """Leave a key open; `values` are what different places have, where that is why."""
        if key in self.facts:
            return
        file, line = (op.file, op.line) if op is not None else self.here
        self.undecided[key] = Undecided(reason, file, line, key, values)

    def waits(self, key: str, other: str) -> None:
        """Leave a key open that hangs on another one which is open, for its reason; what is known of it stays."""
        question = self.undecided.get(other)
        if question is not None and not any(key in table for table in (self.facts, self.absences, self.undecided)):
            self.undecided[key] = replace(question, key=key, values=(), follows=question.follows or other)

    def failed(self, keys: Iterable[str], reason: str) -> None:
        """Leave open what a detector that failed should have answered; a key that ends in a dot stands for all below it."""
        prefixes = {""} | {tower.prefix for tower in self.__dict__.get("towers", ())}
        for key in keys:
            for name in [each for each in vocab.KEYS if each == key or (key.endswith(".") and each.startswith(key))]:
                for prefix in prefixes:
                    self.unsure(f"{prefix}.{name}" if prefix else name, reason)

    def sheet(self) -> FactSheet:
        """What was found, each key in one of the three tables."""
        facts = {key: fact for key, fact in self.facts.items() if key not in self.undecided}
        absences = {key: item for key, item in self.absences.items() if key not in facts and key not in self.undecided}
        enough = Level.USED if not self.why_not else Level.BUILT if self.refused else Level.DECLARED
        return FactSheet(facts, absences, dict(self.undecided), self.why_not, enough)

    # --- Reading -------------------------------------------------------------------------------

    @cached_property
    def norms(self) -> list[Norm]:
        """All normalisations in the order they run."""
        return norms(self.operations) if self.operations is not None else []

    @cached_property
    def norm_of(self) -> dict[int, Norm]:
        """Normalisations by the id of their last operation."""
        return {norm.output: norm for norm in self.norms}

    @cached_property
    def attentions(self) -> list[Attention]:
        """All attention products in the order they run."""
        return attentions(self.operations) if self.operations is not None else []

    @cached_property
    def towers(self) -> list[Tower]:
        """Stacks of layers, with their prefixes."""
        from specdiff.detect.towers import find_towers  # noqa: PLC0415 - it reads the scene

        return find_towers(self)

    @cached_property
    def _names(self) -> list[str]:
        return sorted(self.parameters)

    def parameters_below(self, path: str) -> list[str]:
        """Names of the parameters of a module and what it contains, sorted."""
        prefix = f"{path}." if path else ""
        start = bisect_left(self._names, prefix)
        end = bisect_left(self._names, prefix[:-1] + "/") if prefix else len(self._names)
        return self._names[start:end]

    def setting(self, *names: str, part: str = "") -> tuple[Any, Evidence] | None:
        """The first of some settings that the configuration has, with its evidence."""
        for name in names:
            path = f"{part}.{name}" if part else name
            holder: Any = self.config
            for piece in path.split("."):
                holder = holder.get(piece) if isinstance(holder, Mapping) else None
            if holder is not None:
                return holder, self.setting_evidence(path, holder)
        return None

    def setting_evidence(self, path: str, value: Any) -> Evidence:
        """Where a setting comes from."""
        file, line = self.config_place(path) or self.here
        return Evidence(file, line, line, f"the configuration has {path} = {_short(value)}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def see(op: Op, what: str) -> Evidence:
    """An operation as a step of a proof."""
    return Evidence(op.file, op.line, op.line, what)


def sizes(op: Op) -> str:
    """An operation's shape in words."""
    return "×".join(str(size) for size in op.shape) if op.shape else "a number"


def layer_index(path: str) -> int | None:
    """The number at the end of a module path."""
    match = _LAYER.match(path)
    return int(match.group(1)) if match else None
