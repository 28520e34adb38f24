"""Changes of whatever stands at the site (an operator, a number, a condition), as mutation tools make them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from benchmarks.operators.editing import (
    Edit,
    Operator,
    classes,
    code,
    expr,
    find,
    forwards,
    functions,
    lines_of,
    method,
    statement,
)

_OPPOSITE = {
    "Add": cst.Subtract,
    "Subtract": cst.Add,
    "Multiply": cst.Divide,
    "Divide": cst.Multiply,
    "FloorDivide": cst.Multiply,
}


_COMPARED = {
    "LessThan": cst.LessThanEqual,
    "GreaterThan": cst.GreaterThanEqual,
    "LessThanEqual": cst.LessThan,
    "GreaterThanEqual": cst.GreaterThan,
    "Equal": cst.NotEqual,
    "NotEqual": cst.Equal,
}


def _models(module: cst.Module) -> Iterator[cst.FunctionDef]:
    """Methods of model classes and functions of the file that compute."""
    yield from functions(
        module,
        "forward|eager_attention_forward|rotate_half|apply_rotary_pos_emb|repeat_kv|torch_forward|slow_forward|__init__",
    )


def binary(module: cst.Module) -> Iterator[Edit]:
    for holder in forwards(module):
        for node in find(holder, m.BinaryOperation()):
            assert isinstance(node, cst.BinaryOperation)
            new = _OPPOSITE.get(type(node.operator).__name__)
            if new is not None and not re.search(r"[\"']", code(node)):
                yield node, node.with_changes(operator=new())


def compared(module: cst.Module) -> Iterator[Edit]:
    for holder in _models(module):
        for node in find(holder, m.Comparison(comparisons=[m.ComparisonTarget()])):
            assert isinstance(node, cst.Comparison)
            target = node.comparisons[0]
            new = _COMPARED.get(type(target.operator).__name__)
            if new is not None:
                yield node, node.with_changes(comparisons=[target.with_changes(operator=new())])


def negated(module: cst.Module) -> Iterator[Edit]:
    for holder in _models(module):
        for node in find(holder, m.If()):
            assert isinstance(node, cst.If)
            yield node.test, expr(f"not ({code(node.test)})")


def number(module: cst.Module) -> Iterator[Edit]:
    for holder in _models(module):
        for node in find(holder.body, m.Integer() | m.Float()):
            assert isinstance(node, cst.Integer | cst.Float)
            yield node, expr(f"({node.value} + 1)")


def dropped(module: cst.Module) -> Iterator[Edit]:
    for holder in forwards(module):
        for line in lines_of(holder.body):
            if (
                len(line.body) == 1
                and isinstance(line.body[0], cst.Assign | cst.AugAssign)
                and not re.search(r"dropout", code(line))
            ):
                yield line, statement("pass\n")


def keyword_dropped(module: cst.Module) -> Iterator[Edit]:
    for holder in _models(module):
        for node in find(holder, m.Call()):
            assert isinstance(node, cst.Call)
            for index, arg in enumerate(node.args):
                if arg.keyword is not None and not re.search(r"drop|return_dict|output_|use_cache|training", code(arg)):
                    yield node, node.with_changes(args=[*node.args[:index], *node.args[index + 1 :]])


def unwrapped(module: cst.Module) -> Iterator[Edit]:
    """A call of a submodule or function becomes its first argument."""
    for holder in forwards(module):
        for node in find(holder, m.Call()):
            assert isinstance(node, cst.Call)
            if (
                node.args
                and node.args[0].keyword is None
                and not node.args[0].star
                and re.match(r"self\.|torch\.|nn\.functional|F\.", code(node.func))
            ):
                if not re.search(r"drop|checkpoint|warn|logger", code(node.func)) and isinstance(
                    node.args[0].value, cst.Name | cst.Attribute
                ):
                    yield node, node.args[0].value


def arguments_swapped(module: cst.Module) -> Iterator[Edit]:
    for holder in forwards(module):
        for node in find(holder, m.Call()):
            assert isinstance(node, cst.Call)
            if len(node.args) >= 2 and all(
                arg.keyword is None and not arg.star and isinstance(arg.value, cst.Name) for arg in node.args[:2]
            ):
                one, other, *rest = node.args
                yield (
                    node,
                    node.with_changes(
                        args=[one.with_changes(value=other.value), other.with_changes(value=one.value), *rest]
                    ),
                )


def flag(module: cst.Module) -> Iterator[Edit]:
    for holder in _models(module):
        for node in find(holder.body, m.Arg(value=m.Name("True") | m.Name("False"))):
            assert isinstance(node, cst.Arg)
            yield node, node.with_changes(value=cst.Name("False" if code(node.value) == "True" else "True"))


def other_submodule(module: cst.Module) -> Iterator[Edit]:
    """A call goes to another submodule of the same kind."""
    for holder in classes(module, ""):
        made: dict[str, list[str]] = {}
        init, forward = method(holder, "__init__"), method(holder, "forward")
        if init is None or forward is None:
            continue
        for line in lines_of(init.body):
            found = re.match(r"self\.(\w+) = (\w+(?:\.\w+)*)\(", code(line).strip())
            if found:
                made.setdefault(found[2], []).append(found[1])
        for node in find(forward, m.Attribute(value=m.Name("self"))):
            assert isinstance(node, cst.Attribute)
            for same in made.values():
                if node.attr.value in same and len(same) > 1:
                    other = same[(same.index(node.attr.value) + 1) % len(same)]
                    yield node, node.with_changes(attr=cst.Name(other))


ANYWHERE: tuple[Operator, ...] = (
    Operator("any-operator", "plus for minus, times for divided by", binary),
    Operator("any-comparison", "a comparison that takes in its bound", compared),
    Operator("any-condition", "a condition the other way round", negated),
    Operator("any-number", "a number off by one", number),
    Operator("any-line", "an assignment is left out", dropped),
    Operator("any-keyword", "an argument is left out", keyword_dropped),
    Operator("any-call", "a call becomes its argument", unwrapped),
    Operator("any-order", "two arguments change places", arguments_swapped),
    Operator("any-flag", "true for false", flag),
    Operator("any-submodule", "another submodule of the same class is called", other_submodule),
)  # fmt: skip
