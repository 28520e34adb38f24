"""What the source does not show: work, code and data that come from elsewhere, by the lines that reach out."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from specdiff.audit.subject import Subject, body_of, finding
from specdiff.audit.walk import dotted, nodes_in
from specdiff.interp.objects import ModuleVal
from specdiff.ir import nodes as ir
from specdiff.results import Finding

_KNOWN = frozenset(
    {"torch", "transformers", "numpy", "typing_extensions", "packaging", "huggingface_hub", "safetensors", "__future__"}
)
"""Packages whose part in a model is modelled here or is about files and types only."""

_CALLS: tuple[tuple[str, str, str], ...] = (
    ("source.dynamic", "exec", "executes text as code"),
    ("source.dynamic", "eval", "evaluates text as code"),
    ("source.dynamic", "compile", "compiles text"),
    ("source.dynamic", "__import__", "imports a module by a computed name"),
    ("source.dynamic", "importlib.import_module", "imports a module by a computed name"),
    ("source.dynamic", "pickle.load", "unpickles, which can run code"),
    ("source.dynamic", "pickle.loads", "unpickles, which can run code"),
    ("source.dynamic", "torch.load", "loads a checkpoint that may be a pickle"),
    ("source.dynamic", "marshal.loads", "loads compiled code"),
    ("source.kernel", "torch.ops.load_library", "loads a compiled library"),
    ("source.kernel", "torch.utils.cpp_extension.load", "compiles and loads an extension"),
    ("source.kernel", "torch.utils.cpp_extension.load_inline", "compiles and loads an extension"),
    ("source.kernel", "ctypes.CDLL", "loads a compiled library"),
    ("source.kernel", "ctypes.cdll.LoadLibrary", "loads a compiled library"),
    ("source.kernel", "get_kernel", "takes a kernel from the hub"),
    ("source.kernel", "lazy_load_kernel", "takes a kernel from the hub"),
    ("source.kernel", "load_kernel", "takes a kernel from the hub"),
    ("source.download", "torch.hub.load", "downloads and runs a repository"),
    ("source.download", "torch.hub.load_state_dict_from_url", "downloads weights"),
    ("source.download", "torch.hub.download_url_to_file", "downloads a file"),
    ("source.download", "hf_hub_download", "downloads from the hub"),
    ("source.download", "snapshot_download", "downloads from the hub"),
    ("source.download", "huggingface_hub.hf_hub_download", "downloads from the hub"),
    ("source.download", "huggingface_hub.snapshot_download", "downloads from the hub"),
    ("source.download", "cached_file", "downloads from the hub"),
    ("source.download", "urllib.request.urlopen", "opens an address"),
    ("source.download", "urllib.request.urlretrieve", "downloads a file"),
    ("source.download", "requests.get", "opens an address"),
    ("source.download", "requests.post", "sends to an address"),
    ("source.download", "socket.socket", "opens a connection"),
    ("source.process", "os.system", "starts a process"),
    ("source.process", "os.popen", "starts a process"),
    ("source.process", "subprocess.run", "starts a process"),
    ("source.process", "subprocess.call", "starts a process"),
    ("source.process", "subprocess.check_call", "starts a process"),
    ("source.process", "subprocess.check_output", "starts a process"),
    ("source.process", "subprocess.Popen", "starts a process"),
    ("source.process", "os.getenv", "reads the environment"),
    ("source.process", "os.environ.get", "reads the environment"),
    ("source.process", "os.putenv", "changes the environment"),
    ("source.file", "open", "opens a file"),
    ("source.file", "torch.save", "writes a file"),
    ("source.file", "numpy.load", "reads a file"),
    ("source.file", "load_file", "reads a file"),
    ("source.file", "safetensors.torch.load_file", "reads a file"),
    ("source.file", "os.remove", "removes a file"),
    ("source.file", "os.listdir", "lists a folder"),
    ("source.file", "shutil.rmtree", "removes a folder"),
)  # fmt: skip
_BY_NAME = {name: (rule, what) for rule, name, what in _CALLS}
_METHODS = {"from_pretrained": ("source.download", "loads a published model"), "read_text": ("source.file", "reads a file"),
            "read_bytes": ("source.file", "reads a file"), "write_text": ("source.file", "writes a file")}  # fmt: skip
_KERNEL_DECORATOR = re.compile(r"use_kernel\w*|integrate_with_hub_kernels")
"""Decorators that let a kernel from the hub, or of a package that may be installed, take a function's place."""


def source(subject: Subject) -> Iterator[Finding]:
    """All `source.*` findings: import time of the files of the built classes, constructors, and what ``forward`` calls."""
    modules = {id(cls.module): cls.module for cls in (*subject.classes, subject.built.cls)}
    for function in subject.path:
        modules.setdefault(id(function.module), function.module)
    for module in modules.values():
        if module.unit is not None and subject.program.defined_in_models(module.name):
            yield from _import_time(module)
    for function in subject.path:
        node = body_of(function)
        names = _aliases(function.module)
        yield from _calls(function.file, function.qualname, node.body, names)
        for decorator in node.decorators:
            yield from _kernel(function.file, function.qualname, decorator)
    for cls in subject.classes:
        for decorator in cls.node.decorators if cls.node is not None else ():
            yield from _kernel(cls.file, cls.qualname, decorator)


def _kernel(file: str, name: str, decorator: ir.Expr) -> Iterator[Finding]:
    call = decorator.func if isinstance(decorator, ir.Call) else decorator
    if _KERNEL_DECORATOR.fullmatch(dotted(call).rpartition(".")[2]):
        given = decorator.args if isinstance(decorator, ir.Call) else ()
        words = [str(item.value.value) for item in given if isinstance(item.value, ir.Const) and item.value.value]
        which = f" ({' of '.join(words[:2])})" if words else ""
        yield finding("source.kernel", file, decorator.line, f"a kernel from the hub may replace {name}{which}")


def _import_time(module: ModuleVal) -> Iterator[Finding]:
    unit = module.unit
    names = _aliases(module)
    for position, chunk in enumerate(unit.chunks):
        if chunk.kind in ("def", "class"):
            continue
        for node in unit.readable(position):
            yield from _imports(module, node)
            yield from _calls(unit.name, "the import of this file", node, names)


def _imports(module: ModuleVal, node: Any) -> Iterator[Finding]:
    for item in nodes_in(node):
        tops: list[str] = []
        if isinstance(item, ir.Import):
            tops = [alias.name.partition(".")[0] for alias in item.names]
        elif isinstance(item, ir.ImportFrom) and item.level == 0:
            tops = [item.module.partition(".")[0]]
        for top in tops:
            if top in _KNOWN or top in sys.stdlib_module_names or top == module.name.partition(".")[0]:
                continue
            if module.loader is not None and _is_own(module, top):
                continue
            yield finding("source.package", module.file, item.line, f"uses the package {top}, which is not read here")


def _is_own(module: ModuleVal, top: str) -> bool:
    """Whether a name is a file beside this one."""
    folder: Path = module.unit.path.parent
    return (folder / f"{top}.py").is_file() or (folder / top).is_dir()


def _aliases(module: ModuleVal) -> dict[str, str]:
    """Local name to dotted name of what the file imports at its top."""
    found: dict[str, str] = {}
    unit = module.unit
    if unit is None:
        return found
    for position, chunk in enumerate(unit.chunks):
        if chunk.kind in ("def", "class") or not chunk.binds:
            continue
        if "import" not in unit.chunk_text(position):
            continue
        for node in unit.readable(position):
            for item in nodes_in(node):
                if isinstance(item, ir.Import):
                    for alias in item.names:
                        if alias.asname:
                            found[alias.asname] = alias.name
                elif isinstance(item, ir.ImportFrom) and item.level == 0:
                    for alias in item.names:
                        found[alias.asname or alias.name] = f"{item.module}.{alias.name}"
    return found


def _calls(file: str, where: str, node: Any, names: dict[str, str]) -> Iterator[Finding]:
    for item in nodes_in(node):
        if isinstance(item, ir.Call):
            written = dotted(item.func)
            head, dot, rest = written.partition(".")
            full = names.get(head, head) + dot + rest
            row = _BY_NAME.get(full) or _BY_NAME.get(written)
            last = item.func.name if isinstance(item.func, ir.Attr) else ""
            if row is None:
                row = _METHODS.get(last)
            if row is not None:
                yield finding(row[0], file, item.line, f"{where}: {written or last} {row[1]}")
            for arg in item.args:
                if arg.name == "trust_remote_code" and not _is_false(arg.value):
                    yield finding(
                        "source.remote_code", file, item.line, f"{where}: trust_remote_code lets published code run"
                    )
        elif isinstance(item, ir.Attr) and dotted(item).startswith("torch.ops.") and dotted(item).count(".") == 3:
            if not dotted(item).startswith(("torch.ops.aten", "torch.ops.prims")):
                yield finding("source.kernel", file, item.line, f"{where}: {dotted(item)} is a compiled operation")


def _is_false(node: ir.Expr) -> bool:
    return isinstance(node, ir.Const) and not node.value
