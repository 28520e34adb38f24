"""Which settings of the configuration reach which part of the model: through local names and plain attributes, not values.

A number that happens to equal the setting's default is not the setting: it is right for one configuration and wrong for
every other, and only the way from the configuration to the part shows it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any

from specdiff.audit.parameters import start_of
from specdiff.audit.subject import Subject, body_of
from specdiff.audit.walk import dotted, nodes_in
from specdiff.facts import Evidence, Fact, Level
from specdiff.interp.calls import node_of
from specdiff.interp.lookups import lookup
from specdiff.interp.objects import ClassVal, Function, Instance, Value
from specdiff.interp.tracked import plain
from specdiff.ir import nodes as ir

SETTINGS = "computation.settings"
_PLAIN_CALLS = frozenset(
    {"getattr", "int", "float", "bool", "str", "len", "min", "max", "round", "abs", "tuple", "list", "dict"}
)
_INITIALISERS = ("_init_weights", "reset_parameters")
Settings = Counter[str]


def settings_flow(subject: Subject) -> Fact:
    """`computation.settings`."""
    found: dict[str, dict[str, Evidence]] = defaultdict(dict)
    called: dict[int, list[Function]] = defaultdict(list)
    for function in subject.called:
        if isinstance(node_of(function), ir.FunctionDef):
            called[id(function.owner)].append(function)
    done: set[tuple[str, tuple[int, ...]]] = set()
    for module in subject.modules:
        path = re.sub(r"(?<=\.)\d+(?=\.|$)", "*", module.path) or "root"
        owners = [cls for cls in module.instance.cls.mro if isinstance(cls, ClassVal) and subject.is_model_code(cls)]
        aliases: dict[str, Settings] = {}
        parts = frozenset(
            name for table in ("_modules", "_parameters", "_buffers") for name in module.instance.attrs.get(table) or ()
        )
        kind = (path, tuple(id(cls) for cls in owners))
        if kind in done:
            continue
        done.add(kind)
        for cls in reversed(owners):
            made = cls.attrs.get("__init__")
            if isinstance(made, Function) and isinstance(node_of(made), ir.FunctionDef):
                flow = _Flow(made, aliases, parts)
                flow.construct()
                found[path].update(flow.steps())
            others = [*called[id(cls)], *(cls.attrs.get(name) for name in _INITIALISERS)]
            for method in others:
                if isinstance(method, Function) and isinstance(node_of(method), ir.FunctionDef):
                    flow = _Flow(method, aliases)
                    flow.run()
                    found[path].update(flow.steps())
    for function in called[id(None)]:
        flow = _Flow(function, {})
        flow.run()
        found["functions"].update(flow.steps())
    for path, step in _kept_values(subject):
        found[path][step.what] = step
    for path, step in (*_starts(subject), *_values(subject)):
        found[path][step.what] = step
    tied = _ties(subject)
    if tied is not None:
        found["root"][tied.what] = tied
    texts = {path: sorted(steps) for path, steps in found.items() if steps}
    evidence = tuple(found[path][step] for path, steps in texts.items() for step in steps)
    value = tuple(f"{path}: {' | '.join(steps)}" for path, steps in texts.items())
    return Fact(SETTINGS, value, Level.BUILT, evidence)


def _kept_values(subject: Subject) -> Iterator[tuple[str, Evidence]]:
    """(path, what) of the plain values that built modules keep, over all modules of a path: numbers, words, truths.

    Some are read where no followed run comes (another backend's window, the number of experts in the loss).
    """
    kept: dict[tuple[str, str], list[tuple[str, Value]]] = defaultdict(list)
    classes: dict[str, ClassVal] = {}
    for module in subject.modules:
        cls = module.instance.cls
        if not subject.is_model_code(cls):
            continue
        path = re.sub(r"(?<=\.)\d+(?=\.|$)", "*", module.path) or "root"
        classes[path] = cls
        own = {name for each in cls.mro if isinstance(each, ClassVal) for name in _set_in(subject, each)}
        for name, value in module.instance.attrs.items():
            value = plain(value)
            if name not in own or name.startswith("_") or not isinstance(value, bool | int | float | str | None):
                continue
            kept[path, name].append((module.path, value))
    for (path, name), values in kept.items():
        shown = list(dict.fromkeys(_number(value) for _, value in values))
        if shown == ["None"]:
            continue
        said = ", ".join(shown[:3]) + (", …" if len(shown) > 3 else "")
        digest = blake2b(repr([(at, _number(value)) for at, value in values]).encode(), digest_size=5).hexdigest()
        text = f"{name} is {said}".replace("|", "/").replace("#", "")
        cls = classes[path]
        yield path, Evidence(cls.file, cls.line, cls.line, text if len(shown) == 1 else f"{text}#{digest}")


def _starts(subject: Subject) -> Iterator[tuple[str, Evidence]]:
    """(path, what) of parameters that start with one number: zeros for ones change nothing that a run shows."""
    for module in subject.modules:
        cls = module.instance.cls
        if not subject.is_model_code(cls):
            continue
        path = re.sub(r"(?<=\.)\d+(?=\.|$)", "*", module.path) or "root"
        for name, tensor in (module.instance.attrs.get("_parameters") or {}).items():
            fill = start_of(tensor)
            if fill is not None:
                yield path, Evidence(cls.file, cls.line, cls.line, f"{name} starts with {float(fill):.9g}")


def _values(subject: Subject) -> Iterator[tuple[str, Evidence]]:
    """(path, what) of the values of the settings that the model's own configuration classes define, and their further names."""
    waiting, seen = [("configuration", subject.built.config)], set()
    while waiting:
        path, config = waiting.pop()
        if not isinstance(config, Instance) or id(config) in seen:
            continue
        seen.add(id(config))
        inner = ((name, value) for name, value in config.attrs.items() if isinstance(value, Instance))
        waiting.extend((f"{path}.{name}", value) for name, value in inner if "config" in value.cls.flags)
        for cls in config.cls.mro:
            if not isinstance(cls, ClassVal) or not subject.is_model_code(cls):
                continue
            made = cls.attrs.get("__init__")
            params = node_of(made).params if isinstance(made, Function) else ()
            own = (name for name in cls.attrs if not name.startswith("_"))
            for name in dict.fromkeys((*own, *cls.attrs.get("__annotations__", ()), *(param.name for param in params))):
                value = plain(config.attrs.get(name, cls.attrs.get(name, config)))
                if isinstance(value, list | tuple):
                    value = repr([plain(item) for item in value])
                if isinstance(value, bool | int | float | str | None):
                    text = f"{name} = {_number(value)}".replace("|", "/").replace("#", "")
                    yield path, Evidence(cls.file, cls.line, cls.line, text)
        names, owner = lookup(config.cls, "attribute_map")
        if isinstance(names, dict) and isinstance(owner, ClassVal):
            for name, setting in names.items():
                text = f"{name} stands for {setting}".replace("|", "/")
                yield path, Evidence(owner.file, owner.line, owner.line, text)


def _set_in(subject: Subject, cls: ClassVal) -> Iterator[str]:
    """Attributes that a class's own constructor sets, if it is model code."""
    made = cls.attrs.get("__init__")
    if (
        not subject.is_model_code(cls)
        or not isinstance(made, Function)
        or not isinstance(node_of(made), ir.FunctionDef)
    ):
        return
    for node in nodes_in(body_of(made).body):
        for target in node.targets if isinstance(node, ir.Assign) else ():
            for part in target.items if isinstance(target, ir.TupleExpr) else (target,):
                if isinstance(part, ir.Attr) and dotted(part.value) == "self":
                    yield part.name


def _number(value: Value) -> str:
    return f"{value:.9g}" if isinstance(value, float) else repr(value)


def _ties(subject: Subject) -> Evidence | None:
    """Which parameters the class would tie where the configuration asks for it."""
    cls = subject.built.cls
    declared, owner = lookup(cls, "_tied_weights_keys")
    if not declared or not isinstance(owner, ClassVal) or not subject.is_model_code(owner):
        return None
    pairs = declared.items() if isinstance(declared, dict) else ((name, "") for name in declared)
    said = ", ".join(sorted(f"{name}={other}".rstrip("=") for name, other in pairs))
    return Evidence(owner.file, owner.line, owner.line, f"ties <- {said}".replace("|", "/"))


class _Flow:
    """One function; owned by one `settings_flow` call."""

    def __init__(self, function: Function, aliases: dict[str, Settings], parts: frozenset[str] = frozenset()) -> None:
        self.function = function
        self.parts = parts
        """Attributes that are modules, parameters or buffers: what runs through them is no setting."""
        self.node = body_of(function)
        self.aliases = aliases
        """Plain attributes of the module by the settings they stand for."""
        self.names: dict[str, Settings] = {}
        """Local names likewise."""
        self.configs = {"self.config"} | {
            param.name for param in self.node.params if param.name == "config" or param.name.endswith("_config")
        }
        self.found: dict[str, Settings] = defaultdict(Counter)
        self.lines: dict[str, int] = {}
        self.orders: dict[str, list[str]] = defaultdict(list)
        """What each attribute is made from in the order of the arguments, once for each line that makes it."""

    def steps(self) -> Iterator[tuple[str, Evidence]]:
        for name, settings in self.found.items():
            if settings:
                orders = self.orders.get(name, [])
                said = orders[0] if len(orders) == 1 else _said(settings)
                text = f"{name} <- {said}"
                line = self.lines[name]
                yield text, Evidence(self.function.file, line, line, text)

    # --- Constructors: what each attribute is made from ------------------------------------------

    def construct(self) -> None:
        for index, param in enumerate(self.node.params):
            if index and param.name not in self.configs and param.kind in ("plain", "posonly", "kwonly"):
                # What the caller gives by itself; by its name, as its place is the caller's matter.
                self.names[param.name] = Counter({f"argument {param.name}": 1})
        self._block(self.node.body, Counter())

    def _block(self, body: Iterable[Any], condition: Settings) -> None:
        for node in body:
            match node:
                case ir.Assign(targets=targets, value=value):
                    for target in targets:
                        self._assign(target, value, condition, node.line)
                case ir.AnnAssign(target=target, value=value) if value is not None:
                    self._assign(target, value, condition, node.line)
                case ir.AugAssign(target=target, value=value):
                    self._add(target, self.of(value) + condition, node.line)
                case ir.If():
                    inner = condition + self.of(node.test)
                    before = dict(self.names)
                    self._block(node.body, inner)
                    one, self.names = self.names, dict(before)
                    self._block(node.orelse, inner)
                    for name, settings in one.items():
                        other, old = self.names.get(name), before.get(name)
                        if settings is not old:
                            self.names[name] = settings + (Counter() if other is None or other is old else other)
                case ir.For():
                    for name in nodes_in(node.target):
                        if isinstance(name, ir.Name):
                            self.names[name.id] = self.of(node.iter)
                    self._block(node.body, condition + self.of(node.iter))
                    self._block(node.orelse, condition)
                case ir.While():
                    self._block(node.body, condition + self.of(node.test))
                case ir.With():
                    self._block(node.body, condition)
                case ir.Try():
                    for part in (node.body, *(handler.body for handler in node.handlers), node.orelse, node.final):
                        self._block(part, condition)
                case ir.ExprStmt(value=ir.Call() as call):
                    self._call(call, condition)
                case _:
                    pass

    def _assign(self, target: Any, value: Any, condition: Settings, line: int) -> None:
        settings = self.of(value) + _start(value)
        match target:
            case ir.Name(id=name):
                self.names[name] = settings + condition
            case ir.Attr(value=ir.Name(id="self"), name=name):
                if isinstance(value, ir.Call):
                    settings = settings + _unsaved(value)
                if name not in self.parts:
                    self.aliases[name] = settings
                self._note(name, settings + condition, line)
                order = [self._ordered(value), _said(condition)]
                self.orders[name].append(" if ".join(text for text in order if text))
            case ir.TupleExpr(items=items) | ir.ListExpr(items=items):
                same = isinstance(value, ir.TupleExpr | ir.ListExpr) and len(value.items) == len(items)
                for index, item in enumerate(items):
                    self._assign(item, value.items[index] if same else value, condition, line)
            case _:
                self._add(target, settings + condition, line)

    def _add(self, target: Any, settings: Settings, line: int) -> None:
        path = dotted(target)
        if path.startswith("self."):
            self._note(path.split(".")[1], settings, line)
        elif isinstance(target, ir.Name):
            self.names[target.id] = self.names.get(target.id, Counter()) + settings

    def _call(self, call: ir.Call, condition: Settings) -> None:
        path = dotted(call.func)
        settings = sum((self.of(arg.value) for arg in call.args), Counter()) + condition
        first = call.args[0].value if call.args else None
        if path.startswith("self.register_") and isinstance(first, ir.Const):
            self._note(str(first.value), settings + _unsaved(call), call.line)
        elif path.startswith("self.") and path.count(".") > 1:
            self._note(path.split(".")[1], settings, call.line)
        elif path.count(".") == 1 and not path.startswith("self."):
            name = path.split(".")[0]
            self.names[name] = self.names.get(name, Counter()) + settings
        else:
            self._note(f"{path.rpartition('.')[2] or 'base'}()", settings, call.line)

    def _note(self, name: str, settings: Settings, line: int) -> None:
        self.found[name] += settings
        self.lines.setdefault(name, line)

    def _ordered(self, node: Any) -> str:
        """The settings that an expression reads; of a call argument by argument, those with names behind the others."""
        if not isinstance(node, ir.Call) or dotted(node.func) in _PLAIN_CALLS:
            return _said(self.of(node))
        named = sorted((arg for arg in node.args if arg.name), key=lambda arg: str(arg.name))
        parts = [self._ordered(arg.value) for arg in (*(arg for arg in node.args if not arg.name), *named)]
        parts = [text for text in (_said(self.of(node.func)), *parts, _said(_unsaved(node) + _start(node))) if text]
        return f"({'; '.join(parts)})" if len(parts) > 1 else "".join(parts)

    # --- Other functions: how often each setting is used -------------------------------------------

    def run(self) -> None:
        name = f"{self.node.name}()"
        self.lines[name] = self.node.line
        self._used(self.node.body, name)

    def _used(self, body: Iterable[Any], name: str) -> None:
        for node in body:
            match node:
                case ir.Assign(targets=(ir.Name(id=local),), value=value) if _is_plain(value):
                    # Another name for settings: its uses count, not the line that gives it.
                    self.names[local] = self.of(value)
                case ir.If() | ir.While():
                    self.found[name] += self.of(node.test)
                    self._used(node.body, name)
                    self._used(node.orelse, name)
                case ir.For():
                    self.found[name] += self.of(node.iter)
                    self._used(node.body, name)
                    self._used(node.orelse, name)
                case ir.With():
                    self._used(node.body, name)
                case ir.Try():
                    for part in (node.body, *(handler.body for handler in node.handlers), node.orelse, node.final):
                        self._used(part, name)
                case _:
                    self.found[name] += self.of(node)

    # --- Expressions ---------------------------------------------------------------------------------

    def of(self, node: Any) -> Settings:
        """The settings that an expression reads, each as often as it does."""
        found: Settings = Counter()
        stack = [node]
        while stack:
            item = stack.pop()
            if isinstance(item, ir.Attr):
                path = dotted(item)
                setting = self._setting(path)
                if setting:
                    found[setting] += 1
                    continue
                head, _, rest = path.partition(".")
                if head == "self" and rest in self.aliases:
                    found += self.aliases[rest]
                    continue
            elif isinstance(item, ir.Name):
                found += self.names.get(item.id, Counter())
            elif isinstance(item, ir.Call) and dotted(item.func) == "getattr" and len(item.args) > 1:
                name = item.args[1].value
                if dotted(item.args[0].value) in self.configs and isinstance(name, ir.Const):
                    found[str(name.value)] += 1
                    stack.extend(arg.value for arg in item.args[2:])
                    continue
            if isinstance(item, tuple):
                stack.extend(item)
        return found

    def _setting(self, path: str) -> str:
        for name in self.configs:
            if path.startswith(f"{name}."):
                return path[len(name) + 1 :]
        return ""


def _said(settings: Settings) -> str:
    return ", ".join(f"{key} x{count}" if count > 1 else key for key, count in sorted(settings.items()))


def _unsaved(call: ir.Call) -> Settings:
    """Says of a call that makes a buffer that it is not saved."""
    kept = next((arg.value for arg in call.args if arg.name == "persistent"), None)
    return Counter({"=not saved": 1} if isinstance(kept, ir.Const) and kept.value is False else {})


def _start(value: Any) -> Settings:
    """Says of a parameter how the numbers are made that it starts with."""
    if isinstance(value, ir.Call) and dotted(value.func).rpartition(".")[2] == "Parameter" and value.args:
        made = value.args[0].value
        if isinstance(made, ir.Call):
            return Counter({f"={dotted(made.func).rpartition('.')[2]}": 1})
    return Counter()


def _is_plain(value: Any) -> bool:
    """Whether a value is made of names, numbers and arithmetic, so that it stands for what it reads."""
    return not any(isinstance(item, ir.Call) and dotted(item.func) not in _PLAIN_CALLS for item in nodes_in(value))
