"""transformers' hooks that collect hidden states: set on the modules that a model names, without a look into all others.

Mirrors `recursively_install_hooks` of `transformers/utils/output_capturing.py` (5.x): children first; a model inside the model
sets its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from specdiff.interp.builtins import raw
from specdiff.interp.memo import template_of
from specdiff.interp.objects import ClassVal, Function, Instance, ModuleVal, Value
from specdiff.interp.run import Run
from specdiff.interp.tracked import plain
from specdiff.interp.values import Intrinsic

_MODULE = "transformers.utils.output_capturing"
_INSTALL = ("install_output_capturing_hook", "install_output_capuring_hook")
"""The library's function for one module: 5.6 spells it right, other releases do not."""


class _Task(NamedTuple):
    """What one hook collects, and from which modules."""

    key: Value
    index: Value
    initial: Value
    classes: tuple[Value, ...]
    suffix: str | None
    layer: str | None

    def wants(self, module: Instance, name: str) -> bool:
        """Whether the hook is set on a module of that name."""
        if not (
            any(cls in module.cls.mro for cls in self.classes)
            or (self.suffix is not None and name.endswith(self.suffix))
        ):
            return False
        return self.layer is None or f".{self.layer.strip('.')}." in name + "."


def _task(run: Run, pair: Value) -> _Task:
    key, specs = pair
    target = run.getattr(specs, "target_class", None)
    return _Task(
        key,
        run.getattr(specs, "index", 0),
        run.getattr(specs, "capture_initial_hidden_state", True),
        tuple(target) if isinstance(target, tuple) else (target,),
        _text(run.getattr(specs, "class_name", None)),
        _text(run.getattr(specs, "layer_name", None)),
    )


def _text(value: Value) -> str | None:
    value = plain(value)
    return value if isinstance(value, str) else None


def _is_model(cls: ClassVal) -> bool:
    return any(isinstance(base, ClassVal) and base.name == "PreTrainedModel" for base in cls.mro)


def _children(module: Instance) -> Iterator[tuple[str, Instance]]:
    """Submodules by name; a copy that nobody has looked into is not filled in for it."""
    seen: set[int] = set()
    for name, child in ((template_of(module) or module).attrs.get("_modules") or {}).items():
        if isinstance(child, Instance) and id(child) not in seen:
            seen.add(id(child))
            yield name, child


def _concerns(module: Instance, name: str, tasks: list[_Task]) -> bool:
    """Whether some hook is set on a module or on one below it."""
    return any(task.wants(module, name) for task in tasks) or any(
        _is_model(child.cls) or _concerns(child, f"{name}.{part}", tasks) for part, child in _children(module)
    )


def _one(run: Run, module: Instance, task: _Task, library: ModuleVal) -> None:
    """Set a hook on one module; earlier releases (5.5, 5.6) know nothing of the first hidden state."""
    install = next((found for name in _INSTALL if isinstance(found := library.get(name), Function)), None)
    if install is None:
        run.note("the library sets its hooks in another way than is known here")
        return
    given = (module, task.key, task.index, task.initial)
    run.call(install, given[: len(run.plan_of(install).names)], {})


def _install(run: Run, module: Instance, name: str, tasks: list[_Task], library: ModuleVal) -> None:
    for part, child in list(_children(module)):
        path = f"{name}.{part}"
        if not (_is_model(child.cls) or _concerns(child, path, tasks)):
            continue
        child = run.getattr(module, "_modules")[part]  # the copy of its own that is filled in now
        if _is_model(child.cls):
            run.call(run.getattr(library, "install_all_output_capturing_hooks"), (child,), {"prefix": path})
        else:
            _install(run, child, path, tasks, library)
    for task in tasks:
        if task.wants(module, name):
            _one(run, module, task, library)


def _recursively_install_hooks(ctx: Run, parent_module: Instance, module_name: str, capture_tasks: Any) -> None:
    library = ctx.loader.module(_MODULE)
    if isinstance(library, ModuleVal):
        tasks = [_task(ctx, pair) for pair in ctx.listed(capture_tasks)]
        _install(ctx, parent_module, plain(module_name), tasks, library)
    else:
        ctx.note(f"the library's hooks are not where they are known to be: {library.reason}", library.place)


REPLACEMENTS: dict[str, Value] = {
    "recursively_install_hooks": Intrinsic("transformers.recursively_install_hooks", raw(_recursively_install_hooks)),
}

__all__ = ["REPLACEMENTS"]
