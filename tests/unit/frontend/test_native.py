"""Both parsers lower to the same IR, lines included; what Python's own does not read is left to libcst."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from specdiff.cache import Cache
from specdiff.errors import SourceError
from specdiff.frontend import lower
from specdiff.frontend.parse import native_statements, parse_expression
from specdiff.frontend.scan import Uncertain, scan
from specdiff.frontend.unit import SourceUnit
from specdiff.ir import nodes as ir
from specdiff.project.targets import transformers_folder

CASES = (
    "x = a.b(\n    c,\n    *d,\n    e=1,\n    *f,\n    **g,\n)[0].h",
    "x = (\n    a\n    .b\n)",
    "x = -1; y = -z; w = not a and b or (c and d) and e",
    "x = '''one\ntwo''' 'three'\n",
    "x = (\n    'é'\n    '''one\ntwo'''\n)",
    'raise E(\n    f"a {x!r} {{b}}"\n    f"{y:>{w}}"\n    "c"\n    f"{z=}{z = !s}"\n)',
    'f"a" "b"',
    "x[a:b, ::c, ...], y[()], z[1,] = {1: 2, **m}, {*s, 1}, [i for j in k for i in j if i if j]",
    "del a, b[0]\nglobal c, d\nassert a, (\n    b\n)",
    "a: int\nb.c: 'T' = {\n    k: v for k, v in d.items()\n}\nb += 1",
    "def f(a, b=1, /, c: int = 2, *args: T, d, e=3, **kw) -> (\n    None\n):\n    'doc'\n    yield a\n    x = yield from b",
    "@a.b(\n    1\n)\n@c\nasync def f():\n    async with a as b, c:\n        await d\n    async for x in y:\n        pass\n    else:\n        return",
    "class A(B, C, metaclass=M, **kw):\n    '''doc\n    more'''\n    x: int = 1\n    def f(self): ...\n",
    "if a:\n    b\nelif c:\n    d\nelse:\n    if e:\n        f(\n        )\n",
    "try:\n    a\nexcept (B, C) as e:\n    raise D from e\nexcept E:\n    pass\nelse:\n    f\nfinally:\n    g",
    "try:\n    a\nexcept* B:\n    pass",
    "while (n := f()):\n    continue\nelse:\n    break",
    "match x:\n    case [1, *rest] | {'k': v, **more} if rest:\n        a\n    case P(1, q=None) as p:\n        b\n    case _:\n        c",
    "import a.b as c, d\nfrom ..e import (\n    f,\n    g as h,\n)\nfrom . import *",
    "f = lambda x, *y, z=1: (\n    x\n)",
)


@pytest.mark.parametrize("text", CASES)
def test_same_ir(text: str) -> None:
    """Statements as chunks, and the same inside of a class."""
    assert native_statements(text + "\n", 7) == lower.parse_statements(text + "\n", 7, "x.py")
    if "'''" not in text:
        inner = "".join(f"    {line}\n" for line in text.split("\n"))
        assert native_statements(inner, 7, 4) == lower.parse_statements(inner, 7, "x.py", 4)


def files_by_hash(count: int) -> list[Path]:
    """A slice of the installed library that changes with no one's wishes."""
    found = transformers_folder().rglob("*.py")
    return sorted(found, key=lambda path: hashlib.sha256(path.name.encode()).digest())[:count]


@pytest.mark.parametrize("path", files_by_hash(12), ids=lambda path: path.name)
def test_same_ir_of_library(path: Path) -> None:
    """Every chunk of real files."""
    text = path.read_text(encoding="utf-8")
    try:
        chunks = scan(text).chunks
    except Uncertain:
        pytest.skip("not cut by the scanner")
    for chunk in chunks:
        for piece in (*chunk.members, chunk):
            code = text[piece.start : piece.end] + "\n"
            libcst = lower.parse_statements(code, piece.line, path.name, piece.indent)
            assert native_statements(code, piece.line, piece.indent) == libcst


@pytest.mark.parametrize("support", [False, True])
def test_newer_syntax_is_left_to_libcst_and_kept(tmp_path: Path, support: bool) -> None:
    """A generic function and a type alias lower on every Python, from the cache the second time."""
    path = tmp_path / "x.py"
    path.write_text("x = 1\ntype A = int\ndef f[T](x: T) -> T:\n    return x\n")
    for _ in range(2):
        cache = Cache(tmp_path, "ir", "1")
        unit = SourceUnit(path, "x.py", cache, support=support)
        (alias,) = unit.statements(1)
        (stub,) = unit.statements(2)
        assert isinstance(stub, ir.FunctionStub)
        function = unit.function(stub)
        assert isinstance(alias, ir.Assign)
        assert (alias.line, function.line, function.end_line, function.name) == (2, 3, 4, "f")
        cache.close()


@pytest.mark.parametrize("support", [False, True])
@pytest.mark.parametrize("text", ["x = (1,,\n)\n", "def f(:\n    pass\n", "x = 'a\n"])
def test_what_neither_reads_is_a_problem_with_its_line(tmp_path: Path, text: str, support: bool) -> None:
    """The message is libcst's."""
    path = tmp_path / "x.py"
    path.write_text("\n\n" + text)
    with pytest.raises(SourceError) as caught:
        unit = SourceUnit(path, "x.py", support=support)
        for number, chunk in enumerate(unit.chunks):
            for node in unit.statements(number):
                if chunk.kind == "def":
                    unit.function(node)
    assert caught.value.problems[0].file == "x.py"
    assert caught.value.problems[0].line >= 3


@pytest.mark.parametrize("support", [False, True])
def test_an_expression(support: bool) -> None:
    """A decorator's text, with a comment behind it."""
    assert parse_expression(" a.b(c)  # why", 4, "x.py", support) == ir.Call(
        4, 4, ir.Attr(4, ir.Name(4, "a"), "b"), (ir.Arg(0, None, ir.Name(4, "c")),)
    )
