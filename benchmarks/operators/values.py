"""Faults in single values and calls of forward code: a format, a place, an order, a sign, a function."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from benchmarks.operators.editing import (
    COMPUTES,
    Edit,
    Operator,
    argument,
    both,
    calls,
    code,
    expr,
    find,
    functions,
    method_dropped,
    positional,
    written,
)

_FORWARD = COMPUTES + "|__init__|slow_forward|_\\w+"


def computing(module: cst.Module) -> Iterator[cst.FunctionDef]:
    yield from functions(module, COMPUTES)


def axes_swapped(module: cst.Module) -> Iterator[Edit]:
    """Two axes of a permutation change places."""
    for holder in computing(module):
        for node in calls(holder.body, "permute"):
            if len(node.args) >= 3 and all(isinstance(arg.value, cst.Integer) for arg in node.args):
                *first, one, other = node.args
                yield (
                    node,
                    node.with_changes(
                        args=[*first, one.with_changes(value=other.value), other.with_changes(value=one.value)]
                    ),
                )


def view_middle(module: cst.Module) -> Iterator[Edit]:
    """Two sizes in the middle of a view change places."""
    for holder in computing(module):
        for node in calls(holder.body, "view|reshape"):
            if len(node.args) >= 4 and all(arg.keyword is None and not arg.star for arg in node.args):
                if code(node.args[1].value) != code(node.args[2].value):
                    zero, one, other, *rest = node.args
                    yield (
                        node,
                        node.with_changes(
                            args=[zero, one.with_changes(value=other.value), other.with_changes(value=one.value), *rest]
                        ),
                    )


def wrong_place(text: str) -> str | None:
    return {"-1": "-2", "-2": "-1", "0": "1", "1": "2", "2": "1", "3": "2"}.get(text)


def index_fixed(module: cst.Module) -> Iterator[Edit]:
    """A position that depends on the input becomes the first one."""
    for holder in computing(module):
        for node in find(holder.body, m.Index(value=m.Name())):
            assert isinstance(node, cst.Index)
            if re.search(r"idx|index|indices|position", code(node.value)):
                yield node, node.with_changes(value=cst.Integer("0"))


def cat_order(module: cst.Module) -> Iterator[Edit]:
    for holder in computing(module):
        for node in calls(holder.body, "cat|concat|stack"):
            if (
                node.args
                and isinstance(node.args[0].value, cst.List | cst.Tuple)
                and len(node.args[0].value.elements) == 2
            ):
                parts = node.args[0].value
                one, other = parts.elements
                if (
                    isinstance(one, cst.Element)
                    and isinstance(other, cst.Element)
                    and code(one.value) != code(other.value)
                ):
                    changed = parts.with_changes(
                        elements=[one.with_changes(value=other.value), other.with_changes(value=one.value)]
                    )
                    yield node, node.with_changes(args=[node.args[0].with_changes(value=changed), *node.args[1:]])


def plus_times(module: cst.Module) -> Iterator[Edit]:
    for holder in computing(module):
        for node in find(holder.body, m.BinaryOperation(operator=m.Add() | m.Multiply())):
            assert isinstance(node, cst.BinaryOperation)
            if not re.search(r"[\"']|\(\w+,\)|\[", code(node)):
                yield (
                    node,
                    node.with_changes(operator=cst.Multiply() if isinstance(node.operator, cst.Add) else cst.Add()),
                )


def sides_swapped(module: cst.Module) -> Iterator[Edit]:
    """The sides of a difference, quotient or matrix product change places."""
    for holder in computing(module):
        for node in find(holder.body, m.BinaryOperation(operator=m.Subtract() | m.Divide() | m.MatrixMultiply())):
            assert isinstance(node, cst.BinaryOperation)
            yield node, expr(f"({code(node.right)}) {code(node.operator).strip()} ({code(node.left)})")


VALUES: tuple[Operator, ...] = (
    Operator("no-upcast", "computed in the input's format", both(method_dropped("float"), written(r"\.to\(torch\.float32\)", "", _FORWARD), written(r"\.float\(\)", "", _FORWARD))),
    Operator("no-detach", "a gradient goes where it should not", written(r"\.detach\(\)", "", _FORWARD)),
    Operator("permute", "two axes of a permutation are swapped", axes_swapped),
    Operator("transpose-axis", "the wrong axes are transposed", both(written(r"\.transpose\(1, 2\)", ".transpose(1, 3)", COMPUTES), written(r"\.transpose\(2, 3\)", ".transpose(1, 2)", COMPUTES), written(r"\.transpose\(-1, -2\)", ".transpose(-2, -3)", COMPUTES))),
    Operator("view-middle", "two sizes of a view are swapped", view_middle),
    Operator("hidden-shape", "heads and their size are swapped in a view", written(r"\(\*input_shape, -1, self\.head_dim\)", "(*input_shape, self.head_dim, -1)")),
    Operator("unsqueeze", "a dimension is added elsewhere", both(positional("unsqueeze", 0, wrong_place), argument("unsqueeze", "dim", wrong_place))),
    Operator("index-fixed", "the first place for a computed one", index_fixed),
    Operator("cat-order", "two parts are joined in the other order", cat_order),
    Operator("plus-times", "plus for times", plus_times),
    Operator("sides", "two sides of a difference, quotient or product are swapped", sides_swapped),
    Operator("position-offset", "positions do not count what is cached", written(r" \+ (past_\w+|cache_\w+|past_key_values\.get_seq_length\(\)|self\.offset)\b", "", _FORWARD)),
    Operator("arange-start", "frequencies start one later", written(r"torch\.arange\(0, ", "torch.arange(1, ")),
    Operator("mask-inverted", "a mask the other way round", both(written(r"1\.0 - (\w*mask\w*)", r"\1"), written(r"~(\w*mask\w*)", r"\1"), written(r"(\w*mask\w*) == 0\b", r"\1 != 0"), written(r"masked_fill\((\w*mask\w*),", r"masked_fill(~\1,"))),
    Operator("softplus", "a softplus is lost", written(r"(?:torch\.nn\.functional|nn\.functional|F)\.softplus\(([^()]+(?:\([^()]*\))?[^()]*)\)", r"(\1)")),
    Operator("function-swapped", "one function for another", both(written(r"torch\.exp\(", "torch.sigmoid(", COMPUTES), written(r"torch\.sigmoid\(", "torch.exp(", COMPUTES), written(r"torch\.rsqrt\(", "torch.sqrt(", COMPUTES), written(r"\.sigmoid\(\)", ".tanh()", COMPUTES), written(r"\btorch\.cumsum\(", "torch.cumprod(", COMPUTES), written(r"\.cos\(\)", ".sin()", COMPUTES), written(r"\bmax\(", "min(", COMPUTES), written(r"\btorch\.max\(", "torch.min(", COMPUTES))),
    Operator("power", "a cube for a square", both(written(r"\.pow\(2\)", ".pow(3)"), written(r" \*\* 2\b", " ** 3", _FORWARD), written(r"\*\*-0\.5\b", "**0.5"))),
    Operator("logits-kept", "the first positions' logits for the last", written(r"slice\(-logits_to_keep, None\)", "slice(0, logits_to_keep + 1)")),
    Operator("loss-shift", "labels are not shifted", both(written(r"\[\.\.\., :-1, :\]", "[..., 1:, :]"), written(r"\[:, :-1, :\]", "[:, 1:, :]"), written(r"\[\.\.\., 1:\]\.contiguous", "[..., :-1].contiguous"))),
    Operator("aux-scale", "the auxiliary loss is not scaled", written(r"self\.router_aux_loss_coef \* ", "")),
    Operator("state-start", "a state starts with ones", written(r"torch\.zeros\(", "torch.ones(", COMPUTES + "|\\w*(?:scan|delta|recurrent)\\w*")),
    Operator("zeros-for-states", "a tensor of zeros for a computed one", written(r"^(\s+)((?:hidden|key|query|value)_states|attn_output|context_layer) = (?=self\.|torch\.|attn)(.*\))$", r"\1\2 = torch.zeros_like(\3)", COMPUTES)),
    Operator("repeat", "repeated another number of times", both(written(r"repeat_kv\((\w+), module\.num_key_value_groups\)", r"repeat_kv(\1, 1)"), written(r"\.repeat_interleave\(([^,()]+),", r".repeat_interleave((\1) + 1,", COMPUTES))),
    Operator("split-sizes", "the sizes of a split in another order", written(r"\.split\(\s*\[([\w. ]+), ([\w. ]+)(, [^\]]*)?\]", lambda found: f".split([{found[2]}, {found[1]}{found[3] or ''}]", COMPUTES)),
    Operator("slice-half", "a third for a half", written(r"\.shape\[-1\] // 2", ".shape[-1] // 4", COMPUTES)),
    Operator("eps-large", "a large eps", written(r"\b1e-(?:5|6|05|06|12|8)\b", "1e-2")),
    Operator("string-argument", "another word for an argument", both(written(r"mode=\"(bilinear|bicubic)\"", 'mode="nearest"'), written(r"approximate=\"tanh\"", 'approximate="none"'), written(r"reduction=\"mean\"", 'reduction="sum"'), written(r"padding_mode=\"\w+\"", 'padding_mode="border"'), written(r"indexing=\"ij\"", 'indexing="xy"'))),
)  # fmt: skip
