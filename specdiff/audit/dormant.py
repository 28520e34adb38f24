"""What the followed runs leave out of the code that a model brings along: the other side of each condition, factors that
are one, functions nothing calls. Other settings bring it to life, so that a draft pins it down as it is written.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from hashlib import blake2b
from typing import Any

from specdiff.audit.subject import Subject, body_of
from specdiff.audit.walk import Block, dotted, nodes_in, real_body
from specdiff.audit.written import block, bound_names, expression, is_written_negated, negated, parameters
from specdiff.cache import analysis_version
from specdiff.facts import Evidence, Fact, Level
from specdiff.interp.calls import node_of
from specdiff.interp.objects import BudgetExceeded, ClassVal, Function, Instance, Raised, Value
from specdiff.ir import nodes as ir
from specdiff.project.unreached import functions_behind

DORMANT = "computation.dormant"
_WORDS = 72
"""Letters of a step's text."""
_COMPARED = frozenset({"<", "<=", ">", ">=", "==", "!="})
_SHOWN = frozenset({"extra_repr", "__repr__", "__str__"})
"""Methods that only show an object to people."""
_NEUTRAL = {"*": 1, "/": 1, "+": 0, "-": 0}

Place = tuple[str, int]


def dormant(
    subject: Subject, reached: Collection[Function], neutral: Collection[Place], mute: Collection[Function] = ()
) -> Fact:
    """`computation.dormant`.

    Args:
        subject: The class.
        reached: Functions of model code that its constructor and the followed runs call.
        neutral: (file, line) of operations that leave a tensor as it is because a number is one or zero.
        mute: Those of the functions that the runs call and that leave no operation in them.
    """
    ran = {id(node_of(function)) for function in reached}.difference(id(node_of(function)) for function in mute)
    lines: dict[str, set[int]] = defaultdict(set)
    for file, line in neutral:
        lines[file].add(line)
    found: dict[str, dict[str, Evidence]] = defaultdict(dict)
    for function in sorted(_brought(subject, reached), key=lambda each: (each.file, each.stub.line)):
        if not isinstance(node_of(function), ir.FunctionDef):
            continue
        reader = _Reader(function, subject.built.ways, ran, lines[function.file])
        for step in reader.steps():
            found[function.qualname].setdefault(step.what, step)
    value = [f"analysis: {analysis_version()}"]
    value.extend(f"{name}: {' | '.join(steps)}" for name, steps in found.items() if steps)
    evidence = tuple(step for steps in found.values() for step in steps.values())
    return Fact(DORMANT, tuple(value), Level.BUILT, evidence)


def _brought(subject: Subject, reached: Iterable[Function]) -> list[Function]:
    """What was called, all functions of the classes that the model and its configuration are of, and what these name."""
    found: dict[int, Function] = {}
    waiting: list[Function] = []
    classes: set[int] = set()

    def add(value: Value) -> None:
        for function in functions_behind(value):
            if function.name != "<lambda>" and subject.is_model_code(function) and id(function.stub) not in found:
                found[id(function.stub)] = function
                waiting.append(function)

    def add_class(cls: ClassVal) -> None:
        for owner in cls.mro:
            if isinstance(owner, ClassVal) and id(owner) not in classes and subject.is_model_code(owner):
                classes.add(id(owner))
                for name, value in owner.attrs.items():
                    if name not in _SHOWN:
                        add(value)

    for cls in (*subject.classes, *_config_classes(subject.built.config, 0)):
        add_class(cls)
    for function in reached:
        add(function)
    while waiting:
        function = waiting.pop()
        if not isinstance(node_of(function), ir.FunctionDef):
            continue
        own = {chunk.name for chunk in function.module.unit.chunks if chunk.kind in ("def", "class")}
        node = body_of(function)
        read = {item.id for item in nodes_in(node) if isinstance(item, ir.Name)}.difference(bound_names(node))
        for name in sorted(read & own):
            with suppress(Raised, BudgetExceeded):
                value = function.module.get(name)
                if isinstance(value, ClassVal):
                    add_class(value)
                else:
                    add(value)
    return list(found.values())


def _config_classes(value: Value, depth: int) -> Iterator[ClassVal]:
    if isinstance(value, Instance) and "config" in value.cls.flags and depth < 5:
        yield value.cls
        for item in value.attrs.values():
            yield from _config_classes(item, depth + 1)


class _Reader:
    """One function; owned by one `dormant` call."""

    def __init__(
        self, function: Function, ways: dict[int, int], ran: Collection[int], neutral: Collection[int]
    ) -> None:
        self.function = function
        self.node = body_of(function)
        self.ways = ways
        self.ran = ran
        self.neutral = neutral
        self.pieces: list[tuple[str, int, Callable[[dict[str, str]], str], tuple[Any, ...]]] = []
        """(kind, line, what is written there, the nodes it is made of)."""

    def steps(self) -> Iterator[Evidence]:
        """The steps in the source's order, equal ones numbered."""
        if id(self.node) in self.ran:
            self._defaults()
            self._block(real_body(self.node))
        else:
            self._add("", self.node.def_line, lambda names: parameters(self.node.params, names), self.node.params)
            for item in real_body(self.node):
                self._whole("", (item,))
        names = self._names()
        shown = dict.fromkeys(names, "_")
        seen: Counter[str] = Counter()
        for kind, line, say, _ in self.pieces:
            text = say(names)
            if not text:
                continue
            said = re.sub(r"[|#\s]+", " ", say(shown)).strip()
            said = said if len(said) <= _WORDS else said[: _WORDS - 1] + "…"
            key = f"{kind}\n{text}"
            seen[key] += 1
            digest = blake2b(f"{key}\n{seen[key]}".encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()
            yield Evidence(self.function.file, line, line, f"{f'{kind} {said}'.strip()}#{digest}")

    def _names(self) -> dict[str, str]:
        """Local names by number, those only that the pieces mention: others come and go without a trace."""
        mentioned = {item.id for *_, nodes in self.pieces for item in nodes_in(nodes) if isinstance(item, ir.Name)}
        bound = bound_names(self.node)
        if self.function.owner is not None and bound:
            bound = bound[1:]
        return {name: f"_{index}" for index, name in enumerate(name for name in bound if name in mentioned)}

    def _add(self, kind: str, line: int, say: Callable[[dict[str, str]], str], nodes: tuple[Any, ...]) -> None:
        self.pieces.append((kind, line, say, nodes))

    def _whole(self, kind: str, body: Block) -> None:
        """Statements that no run comes to, as one piece."""
        if body:
            self._add(kind, body[0].line, lambda names: block(body, names), body)

    def _defaults(self) -> None:
        for param in self.node.params:
            default = param.default
            if isinstance(default, ir.Const) and default.value not in (None, False):
                text = f"{param.name}={default.value!r}"
                self._add("default", default.line, lambda names, text=text: text, ())  # type: ignore[misc]
            elif isinstance(default, ir.Const) and default.value is None:
                text = f"{param.name} x{self._handed_on(param.name)}"
                self._add("hands on", default.line, lambda names, text=text: text, ())  # type: ignore[misc]

    def _handed_on(self, name: str) -> int:
        """How often an argument that may be left out, as the runs do, is passed to another function."""
        handed = (arg.value for call in nodes_in(self.node.body) if isinstance(call, ir.Call) for arg in call.args)
        return sum(isinstance(value, ir.Name) and value.id == name for value in handed)

    # --- Statements: each method tells whether what it reads is always left for good --------------------

    def _block(self, body: Block) -> bool:
        for index, node in enumerate(body):
            if self._statement(node):
                if not isinstance(node, ir.Return | ir.Raise | ir.Break | ir.Continue):
                    self._whole("later:", body[index + 1 :])
                return True
        return False

    def _statement(self, node: Any) -> bool:
        match node:
            case ir.If():
                return self._if(node)
            case ir.For() | ir.While():
                self._expressions(node.iter if isinstance(node, ir.For) else node.test)
                if self._way(node):
                    self._block(node.body)
                else:
                    self._whole("no turn of:", (node,))
                self._block(node.orelse)
                return False
            case ir.With():
                self._expressions(tuple(item.context for item in node.items))
                return self._block(node.body)
            case ir.Try():
                left = self._block(node.body)
                for handler in node.handlers:
                    if self._way(handler):
                        self._block(handler.body)
                    else:
                        said = handler.type
                        self._add("except", handler.line, _handler(handler), (said, handler.body))
                self._block(node.orelse)
                self._block(node.final)
                return left and not node.handlers
            case ir.Match():
                for case in node.cases:
                    if self._way(case):
                        self._block(case.body)
                    else:
                        self._whole("case:", case.body)
                return False
            case ir.FunctionDef():
                if id(node) not in self.ran:
                    self._whole("", (node,))
                return False
            case ir.Assert(test=test):
                self._add("assert", node.line, lambda names: expression(test, names), (test,))
                return False
            case _:
                self._expressions(node)
                return isinstance(node, ir.Return | ir.Raise | ir.Break | ir.Continue)

    def _way(self, node: Any) -> int:
        return self.ways.get(id(node), 0)

    def _if(self, node: ir.If) -> bool:
        way = self._way(node)
        if not way:
            self._whole("", (node,))
            return False
        self._expressions(node.test)
        if way == 3:
            self._bounds(node.test)
            left, other = self._block(node.body), self._block(node.orelse)
            return left and other and bool(node.orelse)
        taken, idle = (node.body, node.orelse) if way == 1 else (node.orelse, node.body)
        if any(block((part,), {}) for part in (*taken, *idle)):
            self._condition(node.test, way == 1, idle, node.line)
        return self._block(taken)

    def _condition(self, test: Any, holds: bool, idle: Any, line: int) -> None:
        """A condition that went one way, with what stands on the other."""
        if is_written_negated(test):
            test, holds = negated(test), not holds
        nothing = not block(idle, {}) if isinstance(idle, tuple) and not hasattr(idle, "_fields") else False
        kind = "if" if not holds else "always if" if nothing else "unless"

        def say(names: dict[str, str]) -> str:
            other = block(idle, names) if isinstance(idle, tuple) and not hasattr(idle, "_fields") else ""
            other = other or (expression(idle, names) if hasattr(idle, "_fields") else "")
            return f"{expression(test, names)}: {other}".rstrip(": ")

        self._add(kind, line, say, (test, idle))

    def _bounds(self, test: Any) -> None:
        """A condition that went either way, where values are compared: the runs are but samples of them."""
        compared = (item for item in nodes_in(test) if isinstance(item, ir.Compare))
        if any(op in _COMPARED for item in compared for op in item.ops):
            self._add("either way", test.line, lambda names: expression(test, names), (test,))

    # --- Expressions --------------------------------------------------------------------------------

    def _expressions(self, node: Any) -> None:
        """Alternatives in an expression that were never taken, and numbers that change nothing."""
        match node:
            case ir.IfExp():
                way = self._way(node)
                if not way:
                    self._add("", node.line, lambda names: expression(node, names), (node,))
                    return
                self._expressions(node.test)
                if way == 3:
                    self._bounds(node.test)
                    if any(isinstance(item, ir.Attr) and item.name == "training" for item in nodes_in(node.test)):
                        # Other attention functions take the rate that it gives as it is.
                        self._add("in training:", node.line, lambda names: expression(node, names), (node,))
                else:
                    self._condition(node.test, way == 1, node.orelse if way == 1 else node.body, node.line)
                for bit, part in ((1, node.body), (2, node.orelse)):
                    if way & bit:
                        self._expressions(part)
                return
            case ir.BoolOp():
                way = self._way(node)
                if way != (1 << len(node.values)) - 1:
                    self._add("", node.line, lambda names: expression(node, names), (node,))
                for index, part in enumerate(node.values):
                    if way & (1 << index):
                        self._expressions(part)
                return
            case ir.Lambda():
                return
            case ir.Binary(line=line, op=op, left=left, right=right) if line in self.neutral and op in _NEUTRAL:
                for part in (left, right):
                    if dotted(part).count("."):
                        text = f"{op} "
                        self._add(
                            "changes nothing:",
                            line,
                            lambda names, part=part, text=text: text + expression(part, names),  # type: ignore[misc]
                            (part,),
                        )
            case ir.Call(line=line, func=func) if self._way(node) == 1:
                # A rate of zero, an identity: other settings put something there.
                self._add("gives back:", line, lambda names: expression(func, names), (func,))
            case _:
                pass
        if isinstance(node, tuple):
            for part in node:
                if isinstance(part, tuple):
                    self._expressions(part)


def _handler(handler: ir.Handler) -> Callable[[dict[str, str]], str]:
    return lambda names: f"{expression(handler.type, names)}: {block(handler.body, names)}"
