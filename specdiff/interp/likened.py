"""Two modules compared wherever a recorded run looked, and a result carried over from the one to the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specdiff.interp.dims import Dim, renamed
from specdiff.interp.lookups import MODULE_TABLES
from specdiff.interp.memo import LazyInstance, template_of
from specdiff.interp.objects import BoundMethod, ClassVal, Frame, Function, Instance, ModuleVal, Partial, Value
from specdiff.interp.run import Run
from specdiff.interp.tracked import RunRecording, Tracked
from specdiff.interp.values import Device, DType, Intrinsic, OwnDType, Tensor, Unknown

PLAIN = frozenset({type(None), bool, int, float, str, bytes, complex})
MAX_DEPTH = 8
"""How deeply arguments and results may nest."""


HOOK_TABLES = frozenset({"_forward_hooks", "_forward_pre_hooks"})
"""Tables of a torch module whose keys are numbers given in turn, which mean nothing."""


class Unfit(Exception):
    """Indicates a value that cannot be compared or carried over."""


class Match:
    """Compares two modules wherever a recorded run looked, and pairs what corresponds."""

    def __init__(self, recording: RunRecording, sourced: dict[int, Tensor]) -> None:
        self.names = recording.names or set()
        self.recording = recording
        self.sourced = sourced
        """The tensors from outside that operations stand for."""
        self.differing: set[tuple[int, str]] = set()
        """Numbers in which the two differ, by their owner's class and their name; all else may still be alike."""
        self.objects: dict[int, Instance] = {}
        self.containers: dict[int, Any] = {}
        self.tensors: dict[int, Tensor] = {}
        self.frames: dict[int, Frame] = {}
        self.unlike: set[int] = set()
        """Objects and frames that are not alike, by the identity of the left one."""
        self.shared: list[Instance] = []
        """Modules that both have."""

    def same(self, left: Value, right: Value) -> bool:
        """Whether two values are alike."""
        kind = type(left)
        if kind is Tracked:
            return self.same(left.value, right)
        if type(right) is Tracked:
            return self.same(left, right.value)
        if isinstance(left, Instance):
            return isinstance(right, Instance) and self._instances(left, right)
        if kind is not type(right):
            return False
        if left is right and kind is not list and kind is not dict and kind is not tuple:
            return True
        if kind in PLAIN or kind is Dim or kind is DType or kind is OwnDType or kind is Device:
            return bool(left == right)
        if kind is Tensor:
            return self._tensors(left, right)
        if kind is list or kind is tuple:
            self.containers[id(left)] = right
            return len(left) == len(right) and all(map(self.same, left, right))
        if kind is dict:
            self.containers[id(left)] = right
            if id(left) in self.recording.filled:
                left = self.recording.filled[id(left)][1]
            return list(left) == list(right) and all(map(self.same, left.values(), right.values()))
        if kind is set or kind is frozenset:
            self.containers[id(left)] = right
            return all(type(item) in PLAIN for item in left) and bool(left == right)
        if kind is BoundMethod:
            return self.same(left.func, right.func) and self.same(left.receiver, right.receiver)
        if kind is Partial:
            return (
                self.same(left.func, right.func)
                and self.same(left.args, right.args)
                and self.same(left.keywords, right.keywords)
            )
        return kind is Function and self._functions(left, right)

    def _functions(self, left: Function, right: Function) -> bool:
        """Whether one ``def`` made both, in frames that hold the same."""
        mine, other = left.closure, right.closure
        if left.stub is not right.stub or left.attrs or right.attrs or mine is None or other is None:
            return False
        known = self.frames.get(id(mine))
        if known is not None:
            return known is other and id(mine) not in self.unlike
        self.frames[id(mine)] = other
        alike = (
            mine.parent is other.parent
            and mine.cls is other.cls
            and self.same(left.defaults, right.defaults)
            and self.same(mine.locals, other.locals)
        )
        if not alike:
            self.unlike.add(id(mine))
        return alike

    def _instances(self, left: Instance, right: Instance) -> bool:
        known = self.objects.get(id(left))
        if known is not None:
            return known is right and id(left) not in self.unlike
        if left is right:
            if "module" in left.cls.flags:
                self.shared.append(left)
            return True
        if left.cls is not right.cls:
            return False
        self.objects[id(left)] = right
        if template_of(left) is not None or self._contents(left, right):
            return True  # where nobody has looked into it, the run cannot depend on it
        self.unlike.add(id(left))
        return False

    def _contents(self, left: Instance, right: Instance) -> bool:
        if not self.same(left.native, right.native):
            return False
        written = self.recording.written.get(id(left))
        mine, other = written[1] if written is not None else left.attrs, right.attrs
        if list(mine) != list(other):
            return False
        for name, value in mine.items():
            if name in HOOK_TABLES and type(value) is dict and type(other[name]) is dict:
                self.containers[id(value)] = other[name]
                if not self.same(list(value.values()), list(other[name].values())):
                    return False
            elif name in MODULE_TABLES and type(value) is dict and type(other[name]) is dict:
                if not self._tables(left, name, value, other[name]):
                    return False
            elif not self.same(value, other[name]) and self._read(left, name):
                if type(value) is not type(other[name]) or type(value) not in (int, float):
                    return False
                self.differing.add((id(left.cls), name))
        return True

    def unchanged(self) -> bool:
        """Whether what the recorded run changed, and both have, is as it was before."""
        return all(
            key in self.objects or self._as_before(target, before)
            for key, (target, before) in self.recording.written.items()
        ) and all(
            key in self.containers
            or (list(filled) == list(before) and all(map(self.same, before.values(), filled.values())))
            for key, (filled, before) in self.recording.filled.items()
        )

    def _as_before(self, target: Instance, before: dict[str, Value]) -> bool:
        now = target.attrs
        return all(
            name in before and name in now and self.same(before[name], now[name])
            for name in {**before, **now}
            if self._read(target, name)
        )

    def _tables(self, owner: Instance, table: str, left: dict[str, Any], right: dict[str, Any]) -> bool:
        self.containers[id(left)] = right
        if list(left) != list(right):
            return False
        whole = self._read(owner, table)
        return all(
            self.same(value, right[name]) or not (whole or self._read(owner, name)) for name, value in left.items()
        )

    def _read(self, owner: Instance, name: str) -> bool:
        key = id(owner)
        return (key, name) in self.names or (key, "__dict__") in self.names

    def _tensors(self, left: Tensor, right: Tensor) -> bool:
        known = self.tensors.get(id(left))
        if known is not None:
            return known is right
        alike = (
            self._as_given(left)
            and self._as_given(right)
            and (left.shape, left.dtype, left.kind, left.grad, left.device)
            == (right.shape, right.dtype, right.kind, right.grad, right.device)
            and self._maybe(left.base, right.base)
            and self.same(left.tags, right.tags)
            and self._recipes(left.recipe, right.recipe)
            and _same_content(left.const, right.const)
        )
        if alike:
            self.tensors[id(left)] = right
        return alike

    def _as_given(self, tensor: Tensor) -> bool:
        """Whether no operation of the trace has made a tensor's value, which is then not the one that a module had."""
        return tensor.node is None or self.sourced.get(tensor.node) is tensor

    def _maybe(self, left: Tensor | None, right: Tensor | None) -> bool:
        return left is right or (left is not None and right is not None and self._tensors(left, right))

    def _recipes(self, left: Any, right: Any) -> bool:
        if left is None or right is None:
            return left is right
        return (
            left[0] == right[0]
            and len(left[1]) == len(right[1])
            and all(map(self._maybe, left[1], right[1]))
            and self.same(left[2], right[2])
        )


def _same_content(left: Any, right: Any) -> bool:
    if left is right:
        return True
    if left is None or right is None:
        return False
    import numpy  # noqa: PLC0415 - only where layers hold constants of their own

    left, right = (value() if callable(value) else value for value in (left, right))
    return (
        left is not None
        and right is not None
        and bool(numpy.array_equal(left, right, equal_nan=left.dtype.kind == "f"))
    )


class Carrier:
    """Copies a result, with the tensors and objects of one run replaced by another's."""

    def __init__(
        self,
        start: int,
        node_of: Callable[[Tensor], int | None],
        tensors: dict[int, Tensor],
        objects: dict[int, Instance],
        run: Run,
        names: dict[Any, Any],
    ) -> None:
        self.names = names
        """Other names for sizes."""
        self.start = start
        """Serial number of the first object the recorded run made."""
        self.node_of = node_of
        self.tensors = tensors
        self.objects = objects
        self.run = run
        self.made: dict[int, Any] = {}

    def carry(self, value: Value, depth: int = 0) -> Value:
        """The copy of a value; what is older than the run stays itself."""
        kind = type(value)
        if kind in PLAIN or kind is DType or kind is OwnDType or kind is Device:
            return value
        if kind is Unknown:
            if value.source is None:
                return value
            source = self._tensor(value.source)
            return Unknown(value.reason, value.place, value.cause, source=source)
        if kind is Dim:
            return with_names(value, self.names)
        if kind is Tensor:
            return self._tensor(value)
        if depth > MAX_DEPTH or isinstance(value, LazyInstance):
            raise Unfit
        if kind is Instance:
            return self._instance(value, depth)
        if kind is tuple:
            return tuple([self.carry(item, depth + 1) for item in value])
        if kind is list or kind is dict:
            found: Any = self.made.get(id(value))
            if found is None:
                found = self.made[id(value)] = kind()
                if kind is list:
                    found.extend([self.carry(item, depth + 1) for item in value])
                else:
                    found.update({key: self.carry(item, depth + 1) for key, item in value.items()})
            return found
        if isinstance(value, ClassVal | Function | ModuleVal | Intrinsic):
            return value
        raise Unfit

    def _tensor(self, value: Tensor) -> Tensor:
        other = self.tensors.get(id(value))
        if other is not None:
            return other
        if value.serial < self.start:
            if value.serial == 0 and value.node is not None:
                raise Unfit  # of unknown age
            return value
        if value.tags is not None or value.recipe is not None:
            raise Unfit
        found = self.made.get(id(value))
        if found is None:
            base = self._tensor(value.base) if value.base is not None else None
            found = Tensor(
                with_names(value.shape, self.names), value.dtype, node=self.node_of(value), const=value.const, base=base, device=value.device,
                place=value.place,
            )  # fmt: skip
            self.run.serial += 1
            found.kind, found.grad, found.serial = value.kind, value.grad, self.run.serial
            self.made[id(value)] = found
        return found

    def _instance(self, value: Instance, depth: int) -> Instance:
        other = self.objects.get(id(value))
        if other is not None:
            return other
        if value.serial < self.start or value.cls.enum_members is not None:
            return value
        found = self.made.get(id(value))
        if found is None:
            found = self.made[id(value)] = self.run.new_instance(value.cls)
            found.place = value.place
            found.native = self.carry(value.native, depth + 1)
            found.attrs.update({name: self.carry(item, depth + 1) for name, item in value.attrs.items()})
        return found


def with_names(value: Any, names: dict[Any, Any]) -> Any:
    """A value with other names for sizes wherever it holds some; sizes that were renamed are kept in ``names`` too."""
    if not names:
        return value
    kind = type(value)
    if kind is Dim:
        found = names.get(value)
        if found is None:
            found = names[value] = renamed(value, names)
        return found
    if kind is tuple or kind is list:
        return kind([with_names(item, names) for item in value])
    if kind is dict:
        return {key: with_names(item, names) for key, item in value.items()}
    return value


def mentions(value: Any, names: dict[Any, Any]) -> bool:
    """Whether `with_names` would change a value."""
    kind = type(value)
    if kind is Dim:
        return bool(with_names(value, names) != value)
    if kind is tuple or kind is list:
        return any(mentions(item, names) for item in value)
    if kind is dict:
        return any(mentions(item, names) for item in value.values())
    return False
