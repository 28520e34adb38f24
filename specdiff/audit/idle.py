"""Parameters whose work is carried out or announced and counts for nothing: dropped results, elements that never run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from specdiff.audit.dead import kept_from_last_turn, never_run, unused_values
from specdiff.audit.parameters import unread_parameters
from specdiff.audit.passing import Passing
from specdiff.audit.subject import Subject, body_of, finding
from specdiff.audit.walk import dotted, names_read, nodes_in
from specdiff.facts import Evidence
from specdiff.graph.liveness import Liveness
from specdiff.graph.operations import Operations
from specdiff.interp.memo import template_of
from specdiff.interp.objects import Function, Instance
from specdiff.interp.trace import Op
from specdiff.ir import nodes as ir
from specdiff.results import Finding

_NUMBER = re.compile(r"(?:(?<=\.)|^)\d+(?=\.|$)")
_ELEMENT = re.compile(r"(?:.*?\.)?\d+(?=\.)")
"""The outermost element of a stack that a name lies in."""


@dataclass(slots=True)
class _Copies:
    """One parameter of a class in every element of a stack."""

    names: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)


def idle(subject: Subject) -> Iterator[Finding]:
    """`parameter.dropped`, `module.uncalled`, `parameter.aside`, and `parameter.unreached` for what else is unused."""
    alive, operations = subject.liveness, subject.operations
    if alive is None or operations is None or not alive.live:
        return
    yield from _aside(subject, operations)
    if not alive.unused:
        return
    told = set(unread_parameters(subject))
    ran = {op.attrs["name"]: op for op in operations.kind("parameter")}
    lost = _whole_parts(subject, operations, alive, ran)
    for copies in _copies(subject, alive).values():
        if copies.dead[0] in told or copies.dead[0] in lost:
            continue
        cut = [name for name in copies.dead if name not in ran]
        if cut and len(cut) < len(copies.names) and len(cut) == len(copies.dead) and _ELEMENT.match(cut[0]):
            yield from _uncalled(subject, copies, told, alive)
        elif not cut:
            place = _dropped_at(subject, operations, copies, ran)
            if place is not None:
                lost.update(dict.fromkeys(copies.dead, place))
    yield from _dropped(subject, lost)
    rest = [item.name for item in subject.parameters if item.name in alive.unused]
    rest = [name for name in rest if name not in told and name not in lost]
    behind = {name: read for name in rest if (read := _behind(subject, name)) is not None}
    yield from _shut_off(subject, behind)
    yield from _unreached(subject, [name for name in rest if name not in behind])


def _whole_parts(subject: Subject, operations: Operations, alive: Liveness, ran: dict[str, Op]) -> dict[str, Op]:
    """Parameters of the class's own parts that run from one end to the other and whose results its functions drop.

    What no line of the class's functions can read, also one that this run did not come to (a loss), is dropped.
    """
    parts: dict[str, list[str]] = {}
    for item in subject.parameters:
        parts.setdefault(item.name.partition(".")[0], []).append(item.name)
    wasted = {
        part: names
        for part, names in parts.items()
        if names != [part] and all(name in alive.unused and name in ran for name in names)
    }
    if not wasted:
        return {}
    passing = Passing(subject)
    while True:
        kept = {
            part: names for part, names in wasted.items() if _results_go_nowhere(subject, passing, part, set(wasted))
        }
        if len(kept) == len(wasted):
            break
        wasted = kept
    found: dict[str, Op] = {}
    for names in wasted.values():
        ends = [op for name in names for op in _ends(operations, ran[name].id)]
        if ends:
            found.update(dict.fromkeys(names, max(ends, key=lambda op: op.id)))
    return found


def _results_go_nowhere(subject: Subject, passing: Passing, part: str, wasted: set[str]) -> bool:
    """Whether every call of a part of the class gives its result to names that are not read, or to other wasted parts."""
    seen = False
    for function in passing.functions:
        if function.owner not in subject.built.cls.mro:
            continue
        own = list(passing.calls_of(function, part))
        if not own:
            continue
        seen = True
        others = {id(call): call for each in wasted for call in passing.calls_of(function, each)}
        inside = {id(item) for call in others.values() for item in nodes_in(call.args)}
        held: set[int] = set()
        names: set[str] = set()
        for item in nodes_in(body_of(function).body):
            if isinstance(item, ir.Assign) and all(isinstance(each, ir.Name | ir.TupleExpr) for each in item.targets):
                calls = {id(each) for each in nodes_in(item.value)} & set(others)
                if calls:
                    held |= calls
                    names |= {name for target in item.targets for name in names_read(target)}
        if not all(id(call) in held or id(call) in inside for call in own):
            return False
        if not passing.goes_nowhere(function, names, frozenset(others)):
            return False
    return seen


def _copies(subject: Subject, alive: Liveness) -> dict[str, _Copies]:
    """By name without numbers: all parameters of the name, for those names of which one is unused."""
    found: dict[str, _Copies] = {}
    for item in subject.parameters:
        copies = found.setdefault(_NUMBER.sub("*", item.name), _Copies())
        copies.names.append(item.name)
        if item.name in alive.unused:
            copies.dead.append(item.name)
    return {name: copies for name, copies in found.items() if copies.dead}


def _dropped_at(subject: Subject, operations: Operations, copies: _Copies, ran: dict[str, Op]) -> Op | None:
    """The operation at which the work of an unused parameter ends; None where its end says nothing about the code.

    What a whole model returns and its user leaves alone (a pooled output, the last layer's states where an earlier
    layer's are asked for) is no loss. Dropped is what ends inside every layer of a stack, and what a local name holds
    that nobody reads.
    """
    first = copies.dead[0]
    ends = _ends(operations, ran[first].id)
    if not ends:
        return None
    everywhere = len(copies.dead) == len(copies.names)
    last = max(ends, key=lambda op: op.id)
    if everywhere and _ends_inside(subject, first, ends) and len(copies.names) > 1:
        return last
    if all(_is_forgotten(subject, op, everywhere=everywhere) for op in ends):
        return last
    return None


def _ends(operations: Operations, start: int) -> list[Op]:
    """The operations downstream whose results nothing reads."""
    seen: set[int] = set()
    stack, found = [start], []
    while stack:
        index = stack.pop()
        if index not in seen:
            seen.add(index)
            readers = operations.consumers[index]
            stack.extend(readers)
            if not readers and index != start:
                found.append(operations[index])
    return found


def _ends_inside(subject: Subject, name: str, ends: list[Op]) -> bool:
    """Whether all ends lie in the element of a stack of the model's own blocks that the parameter lies in."""
    element = _ELEMENT.match(name)
    if element is None:
        return False
    owner = _instance(subject, element[0])
    if owner is None or not subject.is_model_code(owner.cls):
        return False
    return all(op.module == element[0] or op.module.startswith(element[0] + ".") for op in ends)


def _instance(subject: Subject, path: str) -> Instance | None:
    found = subject.built.instance
    for part in path.split(".") if path else ():
        if found is None:
            return None
        template = template_of(found)
        child = ((found if template is None else template).attrs.get("_modules") or {}).get(part)
        found = child if isinstance(child, Instance) else None
    return found


def _is_forgotten(subject: Subject, op: Op, *, everywhere: bool) -> bool:
    """Whether the result is given to a name that is not read, or that the next turn of a loop gives another value."""
    for function in subject.path:
        node = body_of(function)
        if function.file == op.file and node.line <= op.line <= node.end_line and function.qualname == op.function:
            statements = (*(unused_values(node) if everywhere else ()), *kept_from_last_turn(node))
            return any(item.line <= op.line <= item.end_line for _, item in statements)
    return False


def _dropped(subject: Subject, lost: dict[str, Op]) -> Iterator[Finding]:
    """One finding for each outermost module all of whose parameters are dropped."""
    told: set[str] = set()
    below: dict[str, list[str]] = {}
    for item in subject.parameters:
        parts = item.name.split(".")
        for depth in range(1, len(parts)):
            below.setdefault(".".join(parts[:depth]), []).append(item.name)
    for name, op in lost.items():
        path = _outermost(name, below, lost)
        owner = _instance(subject, path.rpartition(".")[0])
        key = _NUMBER.sub("*", path)
        if key in told or owner is None:
            continue
        told.add(key)
        attribute = path.rpartition(".")[2]
        what = "parameter" if path == name else "submodule"
        built = _built_at(subject, name, path)
        yield finding(
            "parameter.dropped", op.file, op.line,
            f"what the {what} {attribute} of {owner.cls.name} computes reaches no output ({name})",
            related=(built,) if built is not None else (),
        )  # fmt: skip


def _outermost(name: str, below: dict[str, list[str]], lost: dict[str, Op]) -> str:
    """The outermost module that a parameter belongs to and that is dropped as a whole, elements of lists left out."""
    parts = name.split(".")
    for depth in range(1, len(parts)):
        path = ".".join(parts[:depth])
        if not parts[depth - 1].isdigit() and all(each in lost for each in below[path]):
            return path
    return name


def _built_at(subject: Subject, name: str, path: str) -> Evidence | None:
    module = _instance(subject, path) if path != name else None
    place = module.place if module is not None else None
    if place is None:
        place = next((item.tensor.place for item in subject.parameters if item.name == name), None)
    if place is None or place.file.startswith("<"):
        return None
    return Evidence(place.file, place.line, place.line, "built here")


def _uncalled(subject: Subject, copies: _Copies, told: set[str], alive: Liveness) -> Iterator[Finding]:
    """Elements of a list of modules that no run of ``forward`` comes to, where other elements do run."""
    missing, path = set(copies.dead), copies.dead[0]
    for found in reversed(list(_NUMBER.finditer(path))):
        start, end = found.span()
        family = [name for name in copies.names if name[:start] == path[:start]]
        idle_ones = sorted({int(name[start:].split(".")[0]) for name in family if name in missing})
        running = {int(name[start:].split(".")[0]) for name in family if name not in missing}
        if not running:
            continue
        # An element of which a part runs is no element that is left out.
        whole = [item.name for item in subject.parameters if item.name.startswith(path[:end] + ".")]
        if not all(name in alive.unused for name in whole):
            return
        holder, listed = path[: start - 1], len(idle_ones) + len(running)
        told.update(copies.dead)
        key = f"uncalled {_NUMBER.sub('*', holder)}"
        if key in told:
            return
        told.add(key)
        owner, element = _instance(subject, holder.rpartition(".")[0]), _instance(subject, path[:end])
        place, cls = element.place if element is not None else None, subject.built.cls
        known = place is not None and not place.file.startswith("<")
        yield finding(
            "module.uncalled",
            place.file if known and place else cls.file,
            place.line if known and place else cls.line,
            f"{len(idle_ones)} of {listed} elements of {holder.rpartition('.')[2]} of "
            f"{owner.cls.name if owner is not None else cls.name} never run ({path})",
        )
        return


def _aside(subject: Subject, operations: Operations) -> Iterator[Finding]:
    """Parameters inside every layer of a stack that reach a side output alone, while the layers make the first output."""
    if len(operations.outputs) < 2:
        return
    first, reached = operations.ancestors(operations.outputs[:1]), operations.ancestors(operations.outputs)
    used = {op.attrs["name"] for op in operations.kind("parameter") if op.id in reached}
    main = {op.attrs["name"] for op in operations.kind("parameter") if op.id in first}
    layers = {found[0] for name in main if (found := _ELEMENT.match(name))}
    groups: dict[str, list[str]] = {}
    for item in subject.parameters:
        groups.setdefault(_NUMBER.sub("*", item.name), []).append(item.name)
    told: set[str] = set()
    for names in groups.values():
        if len(names) < 2 or not all(name in used and name not in main for name in names):
            continue
        elements = [_ELEMENT.match(name) for name in names]
        owner = _instance(subject, names[0].rpartition(".")[0].rpartition(".")[0])
        module = _NUMBER.sub("*", names[0].rpartition(".")[0])
        if module in told or owner is None or not all(found and found[0] in layers for found in elements):
            continue
        told.add(module)
        path = names[0].rpartition(".")[0]
        place = _built_at(subject, names[0], path)
        cls = subject.built.cls
        yield finding(
            "parameter.aside",
            place.file if place else cls.file,
            place.line if place else cls.line,
            f"{path.rpartition('.')[2]} of {owner.cls.name} only reaches an output beside the first one ({names[0]})",
        )


def _behind(subject: Subject, name: str) -> tuple[Function, int] | None:
    """Where the only reads of a parameter's attribute stand, if that is in branches that no setting leads to."""
    parts = name.split(".")
    for depth in range(len(parts)):
        owner = _instance(subject, ".".join(parts[:depth]))
        if owner is None or parts[depth].isdigit() or not subject.is_model_code(owner.cls):
            continue
        reads: list[tuple[Function, int, bool]] = []
        for function in subject.path:
            if function.name == "__init__":
                continue
            node = body_of(function)
            shut = {id(item) for block, _ in never_run(function, node) for item in nodes_in(block)}
            for item in nodes_in(node.body):
                if isinstance(item, ir.Attr) and dotted(item) == f"self.{parts[depth]}":
                    reads.append((function, item.line, id(item) in shut))
        if reads and all(each[2] for each in reads):
            return reads[0][0], reads[0][1]
    return None


def _shut_off(subject: Subject, behind: dict[str, tuple[Function, int]]) -> Iterator[Finding]:
    told: set[tuple[str, int, str]] = set()
    for name, (function, line) in behind.items():
        part = _NUMBER.sub("*", name.rpartition(".")[0])
        if not any(path == function.file and at == line and part.startswith(f"{known}.") for path, at, known in told):
            told.add((function.file, line, part))
            yield finding(
                "parameter.unread", function.file, line,
                f"{function.qualname} reads {name.rpartition('.')[0] or name} only in a branch that never runs ({name})",
            )  # fmt: skip


def _unreached(subject: Subject, names: list[str]) -> Iterator[Finding]:
    if not names:
        return
    order = [item for item in subject.parameters if item.name in set(names)]
    cls = subject.built.cls
    more = f" and {len(order) - 4} more" if len(order) > 4 else ""
    first = order[0].tensor.place
    file, line = (
        (first.file, first.line) if first is not None and not first.file.startswith("<") else (cls.file, cls.line)
    )
    some = ", ".join(item.name for item in order[:4]) + more
    yield finding("parameter.unreached", file, line, f"this run of {cls.name} did not use {some}")


def zeroed(subject: Subject) -> Iterator[Finding]:
    """`value.zeroed`: a result that is multiplied by a literal zero on its way to an output."""
    operations = subject.operations
    if operations is None:
        return
    reached = operations.ancestors(operations.outputs)
    told: set[tuple[str, int]] = set()
    for op in operations.kind("mul"):
        factor = op.attrs.get("other")
        if isinstance(factor, bool) or not isinstance(factor, int | float) or factor != 0 or op.id not in reached:
            continue
        if (op.file, op.line) in told or not op.dtype.startswith(("float", "bfloat")) or len(op.inputs) != 1:
            continue
        if not any(operations[index].kind == "parameter" for index in operations.ancestors(op.inputs)):
            continue  # zeros made this way hold a shape, and nothing is lost
        if not _of_model(subject, op):
            continue
        told.add((op.file, op.line))
        yield finding("value.zeroed", op.file, op.line, f"{op.function} multiplies a computed value by zero")


def _of_model(subject: Subject, op: Op) -> bool:
    return any(isinstance(each, Function) and each.qualname == op.function for each in subject.path)
