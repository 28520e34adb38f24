"""What a model makes or takes for its layers and no layer looks at: positions, caches."""

from __future__ import annotations

import re
from collections.abc import Iterator

from specdiff.audit.passing import Passing
from specdiff.audit.subject import Subject, body_of, finding
from specdiff.audit.walk import dotted, names_read, nodes_in, without_words
from specdiff.interp.objects import Function, Instance
from specdiff.ir import nodes as ir
from specdiff.results import Finding

_CACHES = frozenset({"past_key_values", "past_key_value", "layer_past", "kv_cache", "cache_params"})
"""How the libraries' calls name a cache of keys and values or of states."""
_USED = re.compile(
    r"\b\w*(?:past|cache)\w*(?:\s*\[|\s*\.\s*(?!get_|is_|seen_tokens|has_|shape|device|dtype|to\b)[a-z_]\w*)"
    r"|,\s*\w+\s*=\s*\w*(?:past|cache)\w*\s*$|\bin\s[^:\n]*(?:past|cache)\w*",
    re.MULTILINE,
)
"""A use of what a cache holds: an item or an attribute of it, its parts, a loop over it; asking for its length is none."""


def positions(subject: Subject) -> Iterator[Finding]:
    """`position.unused`: a part without parameters runs, nothing it makes reaches an output, and who takes it drops it."""
    operations = subject.operations
    if operations is None or not operations.outputs:
        return
    reached = operations.ancestors(operations.outputs)
    ran: dict[str, bool] = {}
    for op in operations.ops:
        if op.kind not in ("parameter", "buffer", "constant", "input"):
            ran[op.module] = ran.get(op.module, False) or op.id in reached
    passing: Passing | None = None
    owned = {item.name.rpartition(".")[0] for item in subject.parameters}
    for module in subject.modules:
        path, cls = module.path, module.instance.cls
        if ran.get(path, True) or not path or not subject.is_model_code(cls):
            continue
        if any(name == path or name.startswith(path + ".") for name in owned) or not _has_buffers(module.instance):
            continue
        passing = passing or Passing(subject)
        for function, call, names in _results_of(subject, path.rpartition(".")[2]):
            if passing.goes_nowhere(function, names, frozenset()):
                yield finding(
                    "position.unused", function.file, call.line,
                    f"{function.qualname} computes {', '.join(sorted(names))} with {cls.name} and what takes it never reads it",
                )  # fmt: skip


def masks(subject: Subject) -> Iterator[Finding]:
    """`mask.unused`: a mask is computed, reaches no output, and every function that takes it leaves it unread."""
    operations = subject.operations
    if operations is None or not operations.outputs:
        return
    reached = operations.ancestors(operations.outputs)
    idle: dict[str, set[int]] = {}
    for op in operations.ops:
        if op.id not in reached and op.kind not in ("parameter", "buffer", "input"):
            idle.setdefault(op.file, set()).add(op.line)
    passing: Passing | None = None
    for function in subject.called:
        if function.name == "<lambda>" or function.file not in idle:
            continue
        for item in nodes_in(body_of(function).body):
            if not isinstance(item, ir.Assign) or not isinstance(item.targets[0], ir.Name):
                continue
            name = item.targets[0].id
            if "mask" not in name or idle[function.file].isdisjoint(range(item.line, item.end_line + 1)):
                continue
            passing = passing or Passing(subject)
            if passing.goes_nowhere(function, {name}, frozenset()):
                yield finding(
                    "mask.unused", function.file, item.line,
                    f"{function.qualname} computes {name} and nothing applies it", end_line=item.end_line,
                )  # fmt: skip
                break


def kept(subject: Subject) -> Iterator[Finding]:
    """`argument.kept`: an argument that a function never reads, where a part that it calls takes one of that name."""
    passing: Passing | None = None
    for function in subject.called:
        if function.name == "<lambda>":
            continue
        node = body_of(function)
        read = {item.id for item in nodes_in(node.body) if isinstance(item, ir.Name)}
        left = {param.name for param in node.params[1:] if param.kind in ("plain", "kwonly")} - read
        for name in sorted(left if "locals" not in read else ()):
            passing = passing or Passing(subject)
            taker = next(passing.takers(function, name), None)
            if taker is not None:
                yield finding(
                    "argument.kept", function.file, node.def_line,
                    f"{function.qualname} never reads its argument {name}, which {taker.qualname} takes",
                )  # fmt: skip


def _has_buffers(instance: Instance) -> bool:
    return bool(instance.attrs.get("_buffers"))


def _results_of(subject: Subject, attribute: str) -> Iterator[tuple[Function, ir.Call, set[str]]]:
    """Where a function calls ``self.attribute`` and gives the result to plain names."""
    for function in subject.called:
        if function.name == "<lambda>":
            continue
        for item in nodes_in(body_of(function).body):
            match item:
                case ir.Assign(targets=(target,), value=ir.Call() as call) if dotted(call.func) == f"self.{attribute}":
                    yield function, call, names_read(target)
                case _:
                    pass


def caches(subject: Subject) -> Iterator[Finding]:
    """`cache.dropped`: the class takes a cache, and on no path does anything read or write what it holds."""
    own = [
        function
        for function in subject.called
        if function.name == "forward" and function.owner in subject.built.cls.mro and function.name != "<lambda>"
    ]
    taken = [param.name for function in own for param in body_of(function).params if param.name in _CACHES]
    if not taken or subject.operations is None:
        return
    # The text of the files, as this class may leave out the layers that use the cache (an encoder of a shared class).
    units = {id(function.unit): function.unit for function in subject.path if function.unit is not None}
    if any(_USED.search(without_words(unit.text)) for unit in units.values()):
        return
    function = own[0]
    yield finding(
        "cache.dropped", function.file, body_of(function).def_line,
        f"{function.qualname} takes {taken[0]}, and nothing reads or writes what it holds",
    )  # fmt: skip
