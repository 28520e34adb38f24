"""What is looked at once more after a statement: plain names in it, whose evaluation changes nothing."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

from specdiff.interp.expressions import evaluate
from specdiff.interp.objects import Frame, Value
from specdiff.interp.run import Run
from specdiff.interp.values import Tensor, Unknown
from specdiff.ir import nodes as ir

_PLAIN: tuple[type, ...] = (ir.Name, ir.Attr, ir.Const)
"""Expressions that may be evaluated once more."""

_TELLING = re.compile(r"(^|_)(log|debug|info|warn\w*|print|assert\w*|check\w*|mark\w*|annotate|watch|profile\w*)($|_)")
"""Parts of the names of functions that are called for what they say, not for what they do to their arguments."""


def numbers_apart(run: Run, test: ir.Expr, frame: Frame) -> tuple[int, int] | None:
    """The two whole numbers that a failed assertion wants to be equal and that are not."""
    for part in test.values if isinstance(test, ir.BoolOp) and test.op == "and" else (test,):
        if isinstance(part, ir.Compare) and set(part.ops) == {"=="}:
            sides = _values(run, (part.left, *part.comparators), frame)
            for left, right in itertools.pairwise([value for value in sides if type(value) is int]):
                if left != right:
                    return left, right
    return None


def changed_outside(run: Run, callee: Unknown, node: ir.Call, frame: Frame) -> None:
    """Let a function outside of the analysed source change the tensors it was given.

    Nobody uses what it returned, so it was called for what it does: compiled kernels write into their arguments. Weights
    and buffers stay what they are.
    """
    if _TELLING.search(callee.name.rpartition(".")[2].lower()):
        return
    given = [value for value in _values(run, (arg.value for arg in node.args), frame) if isinstance(value, Tensor)]
    results = []
    for each in given:
        others = tuple(tensor for tensor in given if tensor is not each)
        results.append(run.emit("outside", (each, *others), each.shape, each.dtype, name=callee.name))
    for tensor, result in zip(given, results, strict=True):
        if tensor.kind == "tensor":
            run.write(tensor, result)


def _values(run: Run, parts: Iterable[ir.Expr], frame: Frame) -> list[Value]:
    return [evaluate(run, part, frame) for part in parts if isinstance(part, _PLAIN)]
