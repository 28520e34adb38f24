"""Edits of model code as the operators make them: sites in the syntax tree or in the text, and what comes in their place.

Nothing is written to disk: `applying.mutants` gives the changed text of a file.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import libcst as cst
import libcst.matchers as m

Edit = tuple[cst.CSTNode, cst.CSTNode | cst.RemovalSentinel]
Sites = Callable[[cst.Module], "Iterator[Edit | Splice]"]


COMPUTES = (
    "forward|eager_attention_forward|rotate_half|apply_\\w*(rotary|rope)\\w*|repeat_kv|torch_forward|route_tokens_to_experts|"
    "compute_default_rope_parameters|get_topk_indices|_apply_gate|segment_sum"
)


@dataclass(frozen=True)
class Operator:
    """One kind of fault."""

    id: str
    what: str
    sites: Sites
    in_config: bool = False


@dataclass(frozen=True)
class Mutant:
    """One fault in one file."""

    operator: str
    line: int
    before: str
    after: str
    text: str


_INDEX: dict[int, tuple[cst.CSTNode, dict[str, list[cst.CSTNode]]]] = {}
"""Nodes by kind, below roots that were asked about (which are kept, so that identities stay)."""


def find(root: cst.CSTNode, matcher: object) -> list[cst.CSTNode]:
    """As `libcst.matchers.findall`, with one walk over each root."""
    if isinstance(root, cst.BaseSuite | cst.CSTNode) and id(root) not in _INDEX:
        by_kind: dict[str, list[cst.CSTNode]] = {}
        stack = [root]
        while stack:
            node = stack.pop()
            by_kind.setdefault(type(node).__name__, []).append(node)
            stack.extend(reversed(node.children))
        _INDEX[id(root)] = (root, by_kind)
    by_kind = _INDEX[id(root)][1]
    options = getattr(matcher, "options", None) or [matcher]
    return [
        node
        for each in options
        for node in by_kind.get(type(each).__name__, ())
        if m.matches(node, each)  # type: ignore[arg-type]
    ]


def expr(text: str) -> cst.BaseExpression:
    return cst.parse_expression(text)


def statement(text: str) -> cst.BaseStatement:
    return cst.parse_statement(text)


def code(node: cst.CSTNode) -> str:
    return cst.Module([]).code_for_node(node)


def calls(module: cst.CSTNode, name: str) -> Iterator[cst.Call]:
    """Calls whose function's last name matches a pattern."""
    for node in find(module, m.Call()):
        assert isinstance(node, cst.Call)
        last = node.func.attr.value if isinstance(node.func, cst.Attribute) else getattr(node.func, "value", "")
        if isinstance(last, str) and re.fullmatch(name, last):
            yield node


def classes(module: cst.Module, name: str) -> Iterator[cst.ClassDef]:
    for node in find(module, m.ClassDef()):
        assert isinstance(node, cst.ClassDef)
        if re.search(name, node.name.value):
            yield node


def method(node: cst.ClassDef, name: str) -> cst.FunctionDef | None:
    for item in node.body.body:
        if isinstance(item, cst.FunctionDef) and item.name.value == name:
            return item
    return None


def lines_of(node: cst.CSTNode) -> Iterator[cst.SimpleStatementLine]:
    for item in find(node, m.SimpleStatementLine()):
        assert isinstance(item, cst.SimpleStatementLine)
        yield item


def matching(pattern: str, replace: str | None, where: str = "forward", cls: str = "") -> Sites:
    """Statements of some functions whose text matches a pattern; their text with the match replaced, or removed."""

    def sites(module: cst.Module) -> Iterator[Edit]:
        for holder in functions(module, where, cls):
            for line in lines_of(holder.body):
                text = code(line).strip()
                if not re.search(pattern, text):
                    continue
                if replace is None:
                    yield line, statement("pass\n")
                else:
                    changed = re.sub(pattern, replace, text, count=1)
                    if changed != text:
                        try:
                            yield line, statement(changed + "\n")
                        except cst.ParserSyntaxError:
                            continue

    return sites


def functions(module: cst.Module, name: str, cls: str = "") -> Iterator[cst.FunctionDef]:
    for node in find(module, m.FunctionDef()):
        assert isinstance(node, cst.FunctionDef)
        if re.fullmatch(name, node.name.value):
            if not cls or any(node is item for holder in classes(module, cls) for item in holder.body.body):
                yield node


def like(node: cst.FunctionDef, text: str) -> cst.BaseStatement:
    """Another text of a function on the same lines."""
    made = statement(text)
    assert isinstance(made, cst.FunctionDef)
    return made.with_changes(leading_lines=node.leading_lines, lines_after_decorators=node.lines_after_decorators)


def replaced_name(pattern: str, new: str) -> Sites:
    def sites(module: cst.Module) -> Iterator[Edit]:
        for node in find(module, m.Attribute()):
            if re.fullmatch(pattern, code(node)):
                yield node, expr(re.sub(pattern, new, code(node)))

    return sites


def call_to_argument(name: str, cls: str = "") -> Sites:
    """A call is replaced by its first argument."""

    def sites(module: cst.Module) -> Iterator[Edit]:
        holders = list(classes(module, cls)) if cls else [module]
        for holder in holders:
            for node in calls(holder, name):
                if node.args:
                    yield node, cst.ensure_type(node.args[0].value, cst.BaseExpression)

    return sites


def sum_to_side(pattern: str, keep: str = "left") -> Sites:
    """An addition or product of which one side matches loses that side."""

    def sites(module: cst.Module) -> Iterator[Edit]:
        for node in find(module, m.BinaryOperation(operator=m.Add() | m.Multiply())):
            assert isinstance(node, cst.BinaryOperation)
            left, right = code(node.left), code(node.right)
            if re.search(pattern, right):
                yield node, node.left
            elif re.search(pattern, left):
                yield node, node.right

    return sites


def config_number(pattern: str, change: Callable[[str], str]) -> Sites:
    """A default of a configuration class."""

    def sites(module: cst.Module) -> Iterator[Edit]:
        for node in find(module, m.AnnAssign(target=m.Name(), value=m.Integer() | m.Float())):
            assert isinstance(node, cst.AnnAssign)
            if node.value is not None and re.fullmatch(pattern, code(node.target)):
                yield node, node.with_changes(value=expr(change(code(node.value))))
        for line in find(module, m.Assign(targets=[m.AssignTarget(m.Name())], value=m.Integer() | m.Float())):
            assert isinstance(line, cst.Assign)
            if re.fullmatch(pattern, code(line.targets[0].target)):
                yield line, line.with_changes(value=expr(change(code(line.value))))
        for param in find(module, m.Param(default=m.Integer() | m.Float())):
            assert isinstance(param, cst.Param)
            if param.default is not None and re.fullmatch(pattern, param.name.value):
                yield param, param.with_changes(default=expr(change(code(param.default))))

    return sites


def forwards(module: cst.Module) -> Iterator[cst.FunctionDef]:
    """Functions that take part in computing."""
    yield from functions(
        module, "forward|eager_attention_forward|rotate_half|apply_rotary_pos_emb|repeat_kv|torch_forward|slow_forward"
    )


def _given(
    function: str,
    pick: Callable[[cst.Call], Iterable[cst.Arg]],
    new: Callable[[str], str | None],
    where: Callable[[cst.Module], Iterator[cst.CSTNode]],
) -> Sites:
    def sites(module: cst.Module) -> Iterator[Edit]:
        for holder in where(module):
            for node in calls(holder, function):
                for arg in pick(node):
                    changed = new(code(arg.value))
                    if changed is not None:
                        yield arg, arg.with_changes(value=expr(changed))

    return sites


def argument(
    function: str,
    name: str,
    new: Callable[[str], str | None],
    where: Callable[[cst.Module], Iterator[cst.CSTNode]] = forwards,
) -> Sites:
    """A keyword argument of a call gets another value."""

    def pick(node: cst.Call) -> list[cst.Arg]:
        return [arg for arg in node.args if arg.keyword is not None and re.fullmatch(name, arg.keyword.value)]

    return _given(function, pick, new, where)


def positional(
    function: str,
    index: int,
    new: Callable[[str], str | None],
    where: Callable[[cst.Module], Iterator[cst.CSTNode]] = forwards,
) -> Sites:
    """A positional argument of a call gets another value."""

    def pick(node: cst.Call) -> list[cst.Arg]:
        return [arg for arg in node.args[index : index + 1] if arg.keyword is None]

    return _given(function, pick, new, where)


def both(*many: Sites) -> Sites:
    def sites(module: cst.Module) -> Iterator[Edit]:
        for each in many:
            yield from each(module)

    return sites


def grouped(node: cst.BaseExpression) -> str:
    return code(node) if isinstance(node, cst.Name | cst.Integer | cst.Attribute) else f"({code(node)})"


def keyword(function: str, name: str, where: str = COMPUTES) -> Sites:
    """A keyword argument of a call is left out."""

    def sites(module: cst.Module) -> Iterator[Edit]:
        for holder in functions(module, where):
            for node in calls(holder.body, function):
                for index, arg in enumerate(node.args):
                    if arg.keyword is not None and re.fullmatch(name, arg.keyword.value):
                        yield node, node.with_changes(args=[*node.args[:index], *node.args[index + 1 :]])

    return sites


def added(function: str, text: str) -> Sites:
    """A call gets a further argument."""

    def sites(module: cst.Module) -> Iterator[Edit]:
        for holder in functions(module, COMPUTES):
            for node in calls(holder.body, function):
                if text.partition("=")[0] not in [arg.keyword.value for arg in node.args if arg.keyword is not None]:
                    (more,) = cst.ensure_type(expr(f"f({text})"), cst.Call).args
                    last = node.args[-1].with_changes(
                        comma=cst.Comma(cst.SimpleWhitespace(""), cst.SimpleWhitespace(" "))
                    )
                    yield node, node.with_changes(args=[*node.args[:-1], last, more])

    return sites


def method_dropped(name: str, where: str = COMPUTES) -> Sites:
    """``x.method()`` becomes ``x``."""

    def sites(module: cst.Module) -> Iterator[Edit]:
        for holder in functions(module, where):
            for node in calls(holder.body, name):
                if isinstance(node.func, cst.Attribute) and not isinstance(node.func.value, cst.Name | cst.Attribute):
                    yield node, node.func.value

    return sites


@dataclass(frozen=True)
class Splice:
    """An edit of the text itself: letters from start to end give way to others."""

    start: int
    end: int
    text: str


def written(pattern: str, replace: str | Callable[[re.Match[str]], str], within: str = "") -> Sites:
    """Matches in the text outside of strings over several lines and comments; in functions whose name matches, where asked."""

    def sites(module: cst.Module) -> Iterator[Splice]:
        text = module.code
        allowed = _bodies(text, within) if within else None
        for found in re.finditer(pattern, text, re.MULTILINE):
            if _quoted(text, found.start()) or (
                allowed is not None and not any(start <= found.start() < end for start, end in allowed)
            ):
                continue
            new = found.expand(replace) if isinstance(replace, str) else replace(found)
            if new != found[0]:
                yield Splice(found.start(), found.end(), new)

    return sites


@lru_cache(maxsize=4)
def _notes(text: str) -> list[tuple[int, int]]:
    """Where comments and strings over several lines stand."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    return [
        (starts[token.start[0] - 1] + token.start[1], starts[token.end[0] - 1] + token.end[1])
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and token.string.lstrip("rbfuRBFU")[:3] in ('"""', "'''"))
    ]  # fmt: skip


def _quoted(text: str, place: int) -> bool:
    return any(start <= place < end for start, end in _notes(text))


@lru_cache(maxsize=16)
def _bodies(text: str, name: str) -> list[tuple[int, int]]:
    """Where the bodies of functions stand whose names match."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    return [
        (starts[node.body[0].lineno - 1], starts[node.end_lineno or node.lineno])
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and re.fullmatch(name, node.name)
    ]
