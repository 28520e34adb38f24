"""The operations of one run of ``forward`` with their consumers: what detectors and liveness walk over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, TypeGuard

from specdiff.interp.dims import Dim
from specdiff.interp.trace import Op
from specdiff.interp.values import Tensor

VIEWS = frozenset(
    "view reshape transpose permute unsqueeze squeeze expand slice split cast copy contiguous detach movedim flatten".split()
)
"""Operations that carry values on unchanged (some of them, another shape or fewer of them)."""
PASSING = VIEWS | {"dropout", "join", "overwrite", "identity"}
"""The same, with what changes values only in training or joins two paths."""


class Operations:
    """Operations in the order they ran, with who reads each result."""

    def __init__(self, ops: list[Op], outputs: tuple[int, ...], constants: dict[int, Tensor] | None = None) -> None:
        self.ops = ops
        self.outputs = outputs
        """Ids of the operations that made the entry's outputs."""
        self.constants = constants or {}
        """Results whose content is known, by operation."""
        self.answers: dict[str, dict[Any, Any]] = {}
        """What was worked out about these operations and is asked for again, by what it is about."""

    def array(self, op: Op) -> Any:
        """The numpy array of a result whose content is known, else None."""
        tensor = self.constants.get(op.id)
        if tensor is None:
            return None
        const = tensor.const
        if callable(const):
            const = tensor.const = const()
        return const

    def __getitem__(self, index: int) -> Op:
        return self.ops[index]

    def __len__(self) -> int:
        return len(self.ops)

    @cached_property
    def consumers(self) -> list[list[int]]:
        """By id: the operations that read the result."""
        found: list[list[int]] = [[] for _ in self.ops]
        for op in self.ops:
            for source in op.inputs:
                found[source].append(op.id)
        return found

    @cached_property
    def by_kind(self) -> dict[str, list[Op]]:
        """Operations by kind."""
        found: dict[str, list[Op]] = {}
        for op in self.ops:
            found.setdefault(op.kind, []).append(op)
        return found

    @cached_property
    def from_inputs(self) -> list[bool]:
        """By id: whether the result is computed from an input of the entry (inputs of operations are older than they)."""
        found: list[bool] = []
        for op in self.ops:
            found.append(op.kind == "input" or any(found[source] for source in op.inputs))
        return found

    def kind(self, *kinds: str) -> list[Op]:
        """All operations of some kinds, in order."""
        if len(kinds) == 1:
            return self.by_kind.get(kinds[0], [])
        return sorted((op for kind in kinds for op in self.by_kind.get(kind, [])), key=lambda op: op.id)

    def inputs(self, op: Op) -> list[Op]:
        """The operations that made the inputs."""
        return [self.ops[index] for index in op.inputs]

    def source(self, op: Op, through: frozenset[str] = VIEWS) -> Op:
        """Back through operations that only carry a value on, along their first input."""
        while op.kind in through and op.inputs:
            op = self.ops[op.inputs[0]]
        return op

    def chain(self, op: Op, through: frozenset[str] = VIEWS) -> list[Op]:
        """The operation and what `source` passes on the way, ending with the source."""
        found = [op]
        while op.kind in through and op.inputs:
            op = self.ops[op.inputs[0]]
            found.append(op)
        return found

    def readers(self, op: Op, through: frozenset[str] = VIEWS) -> Iterator[Op]:
        """The operations that use a value, looking through those that only carry it on."""
        seen: set[int] = set()
        stack = list(reversed(self.consumers[op.id]))
        while stack:
            index = stack.pop()
            if index in seen:
                continue
            seen.add(index)
            reader = self.ops[index]
            if reader.kind in through:
                stack.extend(reversed(self.consumers[index]))
            else:
                yield reader

    def ancestors(self, starts: Iterable[int], follow: Callable[[Op], bool] = lambda op: True) -> set[int]:
        """Everything the values of ``starts`` are computed from, themselves included."""
        seen: set[int] = set()
        stack = list(starts)
        while stack:
            index = stack.pop()
            if index in seen:
                continue
            seen.add(index)
            op = self.ops[index]
            if follow(op):
                stack.extend(op.inputs)
        return seen

    def reaches(self, start: int, goal: int, limit: int = 4000) -> bool:
        """Whether data flows from one operation to another."""
        if start > goal:
            return False
        seen: set[int] = set()
        stack = [goal]
        while stack and len(seen) < limit:
            index = stack.pop()
            if index == start:
                return True
            if index in seen or index < start:
                continue
            seen.add(index)
            stack.extend(self.ops[index].inputs)
        return False

    def parameter(self, op: Op, through: frozenset[str] = VIEWS) -> str:
        """The name of the parameter a value is (seen through views); empty where it is computed."""
        found = self.source(op, through)
        return found.attrs.get("name", "") if found.kind == "parameter" else ""

    def within(self, prefix: str) -> list[Op]:
        """The operations that ran inside a module."""
        return [op for op in self.ops if op.module == prefix or op.module.startswith(prefix + ".")]


def factor(size: Any) -> int:
    """The number in front of a symbolic size (``12*batch`` gives 12); the size itself where it is a number."""
    if isinstance(size, Dim):
        return size.terms[0][1] if len(size.terms) == 1 else 1
    return size if isinstance(size, int) else 1


def is_computed(size: Any) -> bool:
    """Whether a symbolic size holds a quotient or remainder that does not come out whole: any number may hide in it."""
    return isinstance(size, Dim) and any("(" in symbol for monomial, _ in size.terms for symbol in monomial)


def is_number(size: Any) -> TypeGuard[int]:
    """Whether a size is a plain number."""
    return isinstance(size, int) and not isinstance(size, bool)
