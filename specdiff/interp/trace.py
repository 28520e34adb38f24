"""The operations a run of ``forward`` carries out, in order. Nothing else makes graph nodes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from specdiff.interp import limits
from specdiff.interp.memo import template_of
from specdiff.interp.objects import BudgetExceeded, Function, Instance
from specdiff.interp.values import Tensor, Unknown

if TYPE_CHECKING:
    from specdiff.interp.run import Run


_DEPTH = 8
"""How far below a running module the module that it calls is looked for."""


class Op(NamedTuple):
    """One operation on tensors."""

    id: int
    kind: str
    inputs: tuple[int, ...]
    """Ids of the operations that made the inputs."""
    shape: tuple[Any, ...] | None
    dtype: str
    attrs: dict[str, Any]
    file: str
    line: int
    """The innermost line of model code (not of library stubs)."""
    module: str
    """Path of the module whose ``forward`` runs."""
    function: str
    """Qualified name of the model-code function that runs."""
    view_of: int | None
    """For an in-place change seen through a view: the operation that made the view."""


class Trace:
    """Records operations; owned by one forward run."""

    def __init__(self, root: Instance) -> None:
        self.ops: list[Op] = []
        self.detailed = False
        """Whether operations keep all plain arguments of the calls that made them (`detail`)."""
        self.stack: list[tuple[Instance, str]] = [(root, "")]
        self.paths: dict[int, str] = {id(root): ""}
        self.keep: list[Any] = [root]
        self.constants: dict[int, Tensor] = {}
        """Results whose content is known, by operation."""
        self.lost: set[int] = set()
        """Operations whose results went into something that gave an unknown value."""
        self.losses: list[int] = []
        """The same in the order in which that happened, also where it happened again."""
        self.sourced: dict[int, Tensor] = {}
        """The tensors from outside (parameters, buffers, constants) that operations stand for."""
        self.parts: dict[int, Tensor] = {}
        """Operations that repeat how such a constant was made."""
        self.examples: list[tuple[int, int]] = []
        """From which operation to which the bodies of loops ran once for all their turns."""
        self.open_examples = 0
        """How many such loops are running."""
        self.past: dict[Any, list[Any]] = {}
        """Recorded runs of modules (`replay`)."""
        self.journal: Any = None
        """The journal of the whole run; any other one belongs to an undecided branch."""
        self.hopeless: dict[int, int] = {}
        """How many runs of a function in a row could not be kept or repeated."""
        self.alone: dict[int, int] = {}
        """How many runs of a function in a row had arguments of a kind that no run before had."""
        self.in_parts: set[int] = set()
        """Classes of modules that are not repeated as a whole, by identity."""
        self.varying: dict[int, frozenset[tuple[int, str]]] = {}
        """Numbers in which modules alike differ that run a function, by its identity (`RunRecording.varying`)."""
        self._names: dict[int, dict[int, str]] = {}
        """Names of the modules below a module, by identity."""
        self._tables: dict[int, tuple[int, dict[int, str]]] = {}
        """Names of a module's own tensors by identity, and the youngest tensor that was looked for."""

    @contextmanager
    def example(self) -> Iterator[None]:
        """Within it one turn of a loop runs for all of them: values are those of the first."""
        start = len(self.ops)
        self.open_examples += 1
        try:
            yield
        finally:
            self.open_examples -= 1
            if len(self.ops) > start:
                self.examples.append((start, len(self.ops)))

    def record(self, run: Run, kind: str, inputs: tuple[Tensor, ...], result: Tensor, attrs: dict[str, Any]) -> int:
        """Add an operation; parameters and other tensors from outside become sources."""
        ids = tuple(self.source(run, item) for item in inputs if isinstance(item, Tensor))
        return self.add(run, kind, ids, result, attrs)

    def add(self, run: Run, kind: str, ids: tuple[int, ...], result: Tensor, attrs: dict[str, Any]) -> int:
        """Add an operation whose inputs are known by id."""
        if len(self.ops) >= limits.MAX_OPERATIONS:
            raise BudgetExceeded("MAX_OPERATIONS", run.place)
        file, line = run.model_place()
        function = run.caller.qualname if run.caller is not None else ""
        op = Op(
            len(self.ops), kind, ids, result.shape, result.dtype, attrs, file, line, self.stack[-1][1], function, None
        )
        self.ops.append(op)
        if result.const is not None:
            self.constants[op.id] = result
        return op.id

    def detail(self, start: int, given: dict[str, Any]) -> None:
        """Keep the plain arguments of a call with the operations that it made, those that an inner call has not told of."""
        for op in self.ops[start:]:
            op.attrs.setdefault("given", given)

    def source(self, run: Run, tensor: Tensor) -> int:
        """The operation that made a tensor's current value."""
        if tensor.node is None:
            attrs: dict[str, Any] = {}
            kind = {"parameter": "parameter", "buffer": "buffer", "registered": "buffer"}.get(tensor.kind, "constant")
            if tensor.place is not None:
                attrs["made"] = tensor.place
            if kind != "constant":
                attrs["name"] = self.tensor_name(tensor)
            if kind == "parameter":
                attrs["trained"] = tensor.grad
            if tensor.const is not None:
                attrs["tensor"] = tensor
            tensor.node = self.add(run, kind, self._made(run, tensor), tensor, attrs)
            self.sourced[tensor.node] = tensor
            self.keep.append(tensor)
        return tensor.node

    def _made(self, run: Run, tensor: Tensor) -> tuple[int, ...]:
        """The operations that made a large constant, repeated in the trace; empty where its numbers are kept."""
        if tensor.const is not None or tensor.recipe is None or tensor.kind == "parameter":
            return ()
        kind, inputs, attrs = tensor.recipe
        made = self.add(run, kind, tuple(self.source(run, item) for item in inputs), tensor, dict(attrs))
        self.parts[made] = tensor
        return (made,)

    def tensor_name(self, tensor: Tensor) -> str:
        """The full name of a parameter or buffer, found through the modules that are running; empty where nobody has it."""
        for owner, prefix in reversed(self.stack):
            found = self._tensor_below(owner, prefix, tensor, 0)
            if found is not None:
                return found
        return ""

    def _tensor_below(self, owner: Instance, prefix: str, wanted: Tensor, depth: int) -> str | None:
        if template_of(owner) is not None:
            return None
        own = self._tables.get(id(owner))
        if own is None or wanted.serial > own[0]:
            names = {
                id(item): name
                for table in ("_parameters", "_buffers")
                for name, item in (owner.attrs.get(table) or {}).items()
                if isinstance(item, Tensor)
            }
            own = self._tables[id(owner)] = (wanted.serial, names)
            self.keep.append(owner)
        name = own[1].get(id(wanted))
        if name is not None:
            return f"{prefix}.{name}" if prefix else name
        if depth < 12:
            for name, child in (owner.attrs.get("_modules") or {}).items():
                if isinstance(child, Instance):
                    found = self._tensor_below(child, f"{prefix}.{name}" if prefix else name, wanted, depth + 1)
                    if found is not None:
                        return found
        return None

    def overwrite(self, run: Run, base: Tensor, view: Tensor, way: tuple[Any, ...] | None = None) -> int:
        """A view of ``base`` was changed in place: the base's next value; the way to the view where slices alone lead there."""
        attrs = {"way": way} if way else {}
        return self.add(run, "overwrite", (self.source(run, base), self.source(run, view)), base, attrs)

    def way(self, view: int | None, base: int | None, further: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        """How a view was taken of its base, before what was then taken of it; None where not by a slice."""
        op = self.ops[view] if view is not None else None
        if op is None or further is None or op.kind != "slice" or op.inputs[:1] != (base,):
            return None
        return (op.attrs.get("spec"), *further)

    def lose(self, *values: Any) -> None:
        """Note that tensors went into something of which only an unknown value came out."""
        for value in values:
            if isinstance(value, Tensor):
                if value.node is not None:
                    self.lost.add(value.node)
                    self.losses.append(value.node)
            elif type(value) is Unknown:
                self.lose(value.source)
            elif isinstance(value, list | tuple):
                self.lose(*value)
            elif isinstance(value, dict):
                self.lose(*value.values())

    def mark(self) -> int:
        """A position in the trace."""
        return len(self.ops)

    def enter(self, module: Instance, function: Function) -> None:
        """``forward`` of a module begins."""
        path = self.path(module)
        owner, prefix = self.stack[-1]
        if prefix and not path.startswith(prefix + ".") and (local := self.below(owner, module)) is not None:
            path = f"{prefix}.{local}"  # one module at several depths: here it runs as a part of this one
        self.stack.append((module, path))

    def leave(self) -> None:
        """``forward`` of a module ends."""
        self.stack.pop()

    def path(self, module: Instance) -> str:
        """The module's name below the root, found through the modules that are running."""
        known = self.paths.get(id(module))
        if known is not None:
            return known
        whole = self.below(self.stack[0][0], module)
        if whole is not None and whole.startswith(self.stack[-1][1] + "."):
            # The first name of all that the root has for it is also the first that the running module has.
            self.paths[id(module)] = whole
            self.keep.append(module)
            return whole
        for owner, prefix in reversed(self.stack):
            found = self.below(owner, module)
            if found is not None:
                found = self.paths[id(module)] = f"{prefix}.{found}" if prefix else found
                self.keep.append(module)
                return found
        return self.stack[-1][1] + ".?"

    def below(self, owner: Instance, wanted: Instance) -> str | None:
        """The name of a module below another; each module's descendants are listed once, and again where one is new."""
        known = self._names.get(id(owner))
        if known is None or id(wanted) not in known:
            known = self._names[id(owner)] = {}
            if template_of(owner) is None:
                _list_modules(owner, "", known, 0)
            self.keep.append(owner)
        return known.get(id(wanted))

    def close(self) -> None:
        """Forget the trace's ids in tensors that outlive it (parameters, buffers)."""
        for item in self.keep:
            if isinstance(item, Tensor):
                item.node = None


def _list_modules(owner: Instance, prefix: str, names: dict[int, str], depth: int) -> None:
    """Name every module below another by identity; of several names the first one in torch's order."""
    for name, child in (owner.attrs.get("_modules") or {}).items():
        if isinstance(child, Instance):
            path = prefix + name
            names.setdefault(id(child), path)
            # Into a copy that nobody has looked into: what runs cannot come from it.
            if depth < _DEPTH and template_of(child) is None and child.attrs.get("_modules"):
                _list_modules(child, path + ".", names, depth + 1)
