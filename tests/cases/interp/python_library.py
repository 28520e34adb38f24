"""Python's library as model repositories use it; Python itself must agree with every line."""
import argparse
import ast
import collections
import dataclasses
import functools
import os
import pathlib
from typing import NamedTuple


@functools.total_ordering
class Version:
    def __init__(self, number):
        self.number = number

    def __eq__(self, other):
        return self.number == other.number

    def __lt__(self, other):
        return self.number < other.number


ordered = (Version(1) <= Version(2), Version(1) >= Version(2), Version(2) > Version(1), Version(1) >= Version(1))  # => (True, False, True, True)


@functools.singledispatch
def width(value):
    return 1


@width.register
def _(value: int):
    return value + 1


@width.register(str)
def _(value):
    return len(value)


widths_by_kind = (width(2.0), width(3), width(True), width("abcd"))  # => (1, 4, 2, 4)


class Wide:
    def sized(self, first, second=3):
        return first * second

    twice = functools.partialmethod(sized, 2)


method_in_part = (Wide().twice(), Wide().twice(5))  # => (6, 10)
chained = collections.ChainMap({"a": 2}, {"a": 3, "b": 5})
looked_up = (chained["a"], chained["b"], len(chained), "c" in chained)  # => (2, 5, 2, False)
joined_path = os.path.join("a", "b.txt")  # => 'a/b.txt'
parts = (pathlib.PurePath("a/b", "c.tar.gz").stem, str(pathlib.PurePath("a") / "b" / ".."), pathlib.PurePath("x/y.py").suffix)  # => ('c.tar', 'a/b/..', '.py')
spaced = argparse.Namespace(depth=2)
held = (spaced.depth, getattr(spaced, "width", 7))  # => (2, 7)
read = ast.literal_eval("[1, (2, 'x')]")  # => [1, (2, 'x')]
written = (format(3.14159, ".2f"), oct(8), len(bytearray(b"ab")))  # => ('3.14', '0o10', 2)


class Made:
    def __new__(cls, kind="a"):
        return super().__new__({"a": MadeA, "b": MadeB}[kind] if cls is Made else cls)


class MadeA(Made):
    def __init__(self, kind="a"):
        self.size = 1


class MadeB(Made):
    def __init__(self, kind="b"):
        self.size = 2


chosen = (Made("b").size, Made().size)  # => (2, 1)


class Corner(NamedTuple):
    x: int
    y: int = 4


def cornered(value):
    match value:
        case Corner(x=2, y=height):
            return height
        case Corner(width, _):
            return -width
    return None


by_pattern = (cornered(Corner(2)), cornered(Corner(3, 5)), cornered(7))  # => (4, -3, None)


@dataclasses.dataclass
class Settings:
    size: int = 4
    note: dataclasses.InitVar[str] = "x"
    made: int = dataclasses.field(init=False, default=9)

    def __post_init__(self, note):
        self.kept = note * 2


kinds_of_fields = [(item.name, item.type is int) for item in dataclasses.fields(Settings)]  # => [('size', True), ('made', True)]
as_mapping = dataclasses.asdict(Settings(5))  # => {'size': 5, 'made': 9}
replaced = dataclasses.replace(Settings(5), size=6, note="y")
changed = (replaced.size, replaced.kept)  # => (6, 'yy')


def documented(value=1):
    """List options"""
    return value


first_line = documented.__doc__.split("\n")[0]  # => 'List options'
