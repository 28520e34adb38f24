"""Less common Python of model repositories; Python itself must agree with every line."""
import contextlib
import functools
import inspect
import itertools
import sys
from collections import namedtuple
from os.path import basename, \
    dirname
from typing import NamedTuple


class Registry(type):
    known = {}

    def __new__(mcs, name, bases, namespace, **kwargs):
        cls = super().__new__(mcs, name, bases, namespace)
        cls.tag = name.lower()
        mcs.known[cls.tag] = cls
        return cls

    def __init__(cls, name, bases, namespace, **kwargs):
        super().__init__(name, bases, namespace)
        cls.level = kwargs.get("level", 0)

    def __call__(cls, *args, **kwargs):
        made = super().__call__(*args, **kwargs)
        made.finished = True
        return made

    @property
    def size(cls):
        return len(cls.tag)

    def build(cls, n):
        return cls(n)


class Part(metaclass=Registry, level=3):
    def __init__(self, n):
        self.n = n


class Wide(Part):
    pass


tags = sorted((Part.tag, Wide.tag))  # => ['part', 'wide']
known = sorted(Registry.known)  # => ['part', 'wide']
levels = (Part.level, Wide.level)  # => (3, 0)
finished = Wide(2).finished  # => True
sizes = (Part.size, Wide.size)  # => (4, 4)
built = Wide.build(5).n  # => 5
meta = (type(Wide) is Registry, isinstance(Wide, Registry), isinstance(Wide(1), Part))  # => (True, True, True)


class Single(type):
    made = {}

    def __call__(cls, *args, **kwargs):
        if cls not in cls.made:
            cls.made[cls] = super(Single, cls).__call__(*args, **kwargs)
        return cls.made[cls]


class Settings(metaclass=Single):
    def __init__(self, n=1):
        self.n = n


same = Settings(4) is Settings(5) and Settings().n  # => 4


def suppressed():
    steps = []
    with contextlib.suppress(KeyError, AttributeError):
        steps.append(1)
        {}["missing"]
        steps.append(2)
    return steps


def not_suppressed():
    try:
        with contextlib.suppress(KeyError):
            raise ValueError("other")
    except ValueError as error:
        return str(error)


swallowed = suppressed()  # => [1]
other = not_suppressed()  # => 'other'


class Sizes(NamedTuple):
    width: int
    depth: int = 2


named = Sizes(3)._replace(depth=7)  # => Sizes(width=3, depth=7)
products = list(itertools.accumulate((1, 2, 3), lambda a, b: a * b))  # => [1, 2, 6]
started = list(itertools.accumulate([1, 2], initial=10))  # => [10, 11, 13]
nested = functools.partial(functools.partial(int, base=2)).func is int  # => True
whole = isinstance(functools.partial(int), functools.partial)  # => True
modern = sys.version_info.major >= 3 and sys.version_info >= (3, 8)  # => True
continued = basename(dirname('a/b/c'))  # => 'b'
many = len([1 for _ in range(40000)])  # => 40000


def divided(start):
    return [1 / i + i for i in range(start, 90)]


def guarded_division():
    try:
        return divided(0)
    except ZeroDivisionError as error:
        return str(error)


squares = [i * i - 3 for i in range(100)][-2:]  # => [9601, 9798]
halves = [(7 - i) // 2 % 5 for i in range(-40, 40)][:3]  # => [3, 3, 2]
exact = [i * 10**17 + 1 for i in range(100)][-1]  # => 9900000000000000001
quotients = divided(1)[-1]  # => 89.01123595505618
refused = guarded_division()  # => 'division by zero'
mixed = [i + 0.5 if i else "first" for i in range(80)][:2]  # => ['first', 1.5]


def annotated(first, second: int = 3, *rest, third: float = 2.0, **others) -> str: ...


signed = inspect.signature(annotated)
kinds = [int(item.kind) for item in signed.parameters.values()]  # => [1, 1, 2, 3, 4]
needed = [name for name, item in signed.parameters.items() if item.default is inspect.Parameter.empty]  # => ['first', 'rest', 'others']
noted = [item.annotation is int for item in signed.parameters.values()]  # => [False, True, False, False, False]
bound = signed.bind(7, third=9)
given = (bound.args, bound.kwargs, dict(bound.arguments))  # => ((7,), {'third': 9}, {'first': 7, 'third': 9})
code = (annotated.__code__.co_argcount, annotated.__code__.co_varnames)  # => (2, ('first', 'second', 'third', 'rest', 'others'))
defaults = (annotated.__defaults__, annotated.__kwdefaults__)  # => ((3,), {'third': 2.0})
notes = list(annotated.__annotations__)  # => ['second', 'third', 'return']


def bound_wrongly():
    try:
        signed.bind(1, 2, third=3, first=4)
    except TypeError as error:
        return str(error)


twice = bound_wrongly()  # => "multiple values for argument 'first'"
text = "[width * 2 for width in widths]"
widths = [1, 2]
evaluated = eval(text)  # => [2, 4]
elsewhere = eval("a + b", {"a": 1}, {"b": 2})  # => 3


def evaluated_inside(width):
    return eval("width") + 1


inside = evaluated_inside(4)  # => 5
