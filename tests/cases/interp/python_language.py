"""Python as configurations and constructors use it; Python itself must agree with every line."""
import copy
import dataclasses
import enum
import functools
import inspect
import itertools
import math
from collections import OrderedDict, defaultdict, namedtuple
from typing import Optional, Union


# Classes: order of resolution, super, properties, descriptors, class methods.
class A:
    kind = "a"

    def __init__(self, x=1, *args, **kwargs):
        self.x = x
        self.rest = args
        for key, value in kwargs.items():
            setattr(self, key, value)

    @property
    def double(self):
        return self.x * 2

    @double.setter
    def double(self, value):
        self.x = value // 2

    @classmethod
    def make(cls, **kwargs):
        return cls(**kwargs)

    @staticmethod
    def plus(a, b=2):
        return a + b

    def who(self):
        return ["A"]


class B(A):
    kind = "b"

    def who(self):
        return ["B", *super().who()]


class C(A):
    def who(self):
        return ["C", *super().who()]


class D(B, C):
    def who(self):
        return ["D", *super().who()]


class Described:
    def __set_name__(self, owner, name):
        self.name = "_" + name

    def __get__(self, obj, owner=None):
        return getattr(obj, self.name, 0) + 1

    def __set__(self, obj, value):
        setattr(obj, self.name, value)


class Holder:
    field = Described()


def set_double():
    a = A(5)
    a.double = 14
    return a.x


def described():
    holder = Holder()
    holder.field = 4
    return holder.field


a01 = D().who()  # => ['D', 'B', 'C', 'A']
a02 = [c.__name__ for c in D.__mro__]  # => ['D', 'B', 'C', 'A', 'object']
a03 = set_double()  # => 7
a04 = described()  # => 5
a05 = B.make(x=3, y=4).y  # => 4
a06 = A.plus(1) + A(1, 2, 3).rest[1]  # => 6
a07 = (D.kind, C.kind, isinstance(D(), C), issubclass(B, C))  # => ('b', 'a', True, False)
a08 = type(D()).__name__ + D.__qualname__  # => 'DD'
a09 = getattr(D(), "missing", None)  # => None
a10 = hasattr(D(), "double")  # => True
a11 = [name for name in vars(A(2, z=1))]  # => ['x', 'rest', 'z']


class Registered:
    known = []

    def __init_subclass__(cls, tag="none", **kwargs):
        super().__init_subclass__(**kwargs)
        Registered.known.append((cls.__name__, tag))


class One(Registered, tag="one"):
    pass


def registered():
    One()
    return Registered.known


a13 = registered()  # => [('One', 'one')]


class Vector:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)

    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)

    def __getitem__(self, index):
        return (self.x, self.y)[index]

    def __len__(self):
        return 2

    def __iter__(self):
        yield self.x
        yield self.y

    def __contains__(self, item):
        return item in (self.x, self.y)

    def __call__(self, factor=2):
        return [self.x * factor, self.y * factor]

    def __repr__(self):
        return f"V({self.x}, {self.y})"

    def __bool__(self):
        return self.x != 0

    def __getattr__(self, name):
        if name == "norm":
            return math.hypot(self.x, self.y)
        raise AttributeError(name)


v = Vector(3, 4)
a14 = (v + v)[1]  # => 8
a15 = [*v, len(v), 4 in v, v == Vector(3, 4), bool(Vector(0, 1))]  # => [3, 4, 2, True, True, False]
a16 = v(factor=3)  # => [9, 12]
a17 = str(v) + f"{v!r}"  # => 'V(3, 4)V(3, 4)'
a18 = v.norm  # => 5.0
a19 = max([Vector(1, 2), Vector(5, 0)], key=lambda item: item.x).x  # => 5


# Dataclasses, enumerations, named tuples.
@dataclasses.dataclass
class Point:
    x: int
    y: int = 2
    tags: list = dataclasses.field(default_factory=list)

    def __post_init__(self):
        self.total = self.x + self.y


@dataclasses.dataclass
class Point3(Point):
    z: Optional[int] = None


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"

    @property
    def upper(self):
        return self.value.upper()


class Level(str, enum.Enum):
    LOW = "low"


class Order(enum.IntEnum):
    FIRST = 1
    SECOND = 2


Pair = namedtuple("Pair", ["left", "right"])
b01 = Point(1).total  # => 3
b02 = Point3(1, z=5).z  # => 5
b03 = [field.name for field in dataclasses.fields(Point3)]  # => ['x', 'y', 'tags', 'z']
b04 = dataclasses.asdict(Point(1))  # => {'x': 1, 'y': 2, 'tags': []}
b05 = dataclasses.replace(Point(1), y=7).y  # => 7
b06 = Point(1) == Point(1)  # => True
b07 = Colour("red").name + Colour.BLUE.upper  # => 'REDBLUE'
b08 = [member.value for member in Colour]  # => ['red', 'blue']
b09 = Level.LOW == "low"  # => True
b10 = Order.SECOND > Order.FIRST  # => True
b11 = Pair(1, right=2).right + Pair(3, 4)[0]  # => 5
b12 = Pair(1, 2)._replace(left=9).left  # => 9
b13 = Colour["RED"] is Colour.RED  # => True


# Functions: closures, defaults, unpacking, generators, partial, decorators.
def counter():
    count = 0

    def step(by=1):
        nonlocal count
        count += by
        return count

    return step


def counted():
    step = counter()
    step()
    return step(5)


def spread(a, /, b, *rest, c=3, **more):
    return [a, b, rest, c, more]


def numbers(limit):
    value = 0
    while True:
        if value >= limit:
            return
        yield value
        value += 1


def chained():
    yield from numbers(2)
    yield 9


def logged(prefix):
    def wrap(function):
        @functools.wraps(function)
        def inner(*args, **kwargs):
            return prefix + str(function(*args, **kwargs))

        return inner

    return wrap


@logged("got ")
def answer():
    return 42


@functools.lru_cache(maxsize=None)
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def looked_at():
    seen = []

    def look(item):
        seen.append(item)
        return item

    found = any(look(n) > 1 for n in range(5)), all(look(n) < 1 for n in range(5)), next(look(n) for n in "xy")
    return found, seen


def read_on():
    items = iter([1, 2, 3, 4])
    return next(items), [item for item in items if item != 3], next(items, None), iter(items) is items


c01 = counted()  # => 6
c02 = spread(1, 2, 3, 4, c=5, d=6)  # => [1, 2, (3, 4), 5, {'d': 6}]
c03 = spread(*[1, 2], **{"c": 0})  # => [1, 2, (), 0, {}]
c04 = list(chained())  # => [0, 1, 9]
c05 = answer() + answer.__name__  # => 'got 42answer'
c06 = functools.partial(spread, 1, c=9)(2)  # => [1, 2, (), 9, {}]
c07 = fibonacci(12)  # => 144
c08 = functools.reduce(lambda a, b: a * b, range(1, 6))  # => 120
c09 = [f(2) for f in [lambda x, k=k: x**k for k in range(3)]]  # => [1, 2, 4]
c10 = next((n for n in numbers(10) if n % 7 == 6), None)  # => 6
c11 = sum(n for n in numbers(5))  # => 10
c13 = looked_at()  # => ((True, False, 'x'), [0, 1, 2, 0, 1, 'x'])
c15 = [hasattr(numbers(3), name) for name in ("__next__", "items", "serial")]  # => [True, False, False]
c14 = read_on()  # => (1, [2, 4], None, True)
c12 = sorted({"b": 1, "a": 2}.items(), key=lambda item: item[1], reverse=True)  # => [('a', 2), ('b', 1)]


# Comprehensions, unpacking, walrus, slices, conditional expressions.
d01 = [(i, j) for i in range(3) if i for j in "ab" if j != "a"]  # => [(1, 'b'), (2, 'b')]
d02 = {key: value for key, value in zip("abc", itertools.count(1))}  # => {'a': 1, 'b': 2, 'c': 3}
first, *middle, last = range(5)
d03 = (first, middle, last)  # => (0, [1, 2, 3], 4)
d04 = [y for x in range(5) if (y := x * x) > 3]  # => [4, 9, 16]
d05 = list(range(10))[::-3]  # => [9, 6, 3, 0]
d06 = "abcdef"[1:-1:2]  # => 'bd'
d07 = {**{"a": 1}, "b": 2, **dict(c=3)}  # => {'a': 1, 'b': 2, 'c': 3}
d08 = {"a": 1} | {"b": 2}  # => {'a': 1, 'b': 2}
d09 = [*range(2), *"xy"]  # => [0, 1, 'x', 'y']
d10 = 1 < 2 <= 2 != 3  # => True
d11 = (None or 0 or "x") and "y"  # => 'y'
d12 = {3, 1, 2} & {2, 3} == {2, 3}  # => True
d13 = sorted({1, 2} ^ {2, 5})  # => [1, 5]


def sliced():
    items = list(range(6))
    items[1:3] = ["a"]
    del items[0]
    items += [7]
    items.insert(0, "first")
    return items


d14 = sliced()  # => ['first', 'a', 3, 4, 5, 7]


# Control flow: match, try, with, loops with else.
def kind_of(value):
    match value:
        case 0 | 1:
            return "small"
        case int(n) if n > 100:
            return f"big {n}"
        case [x, y]:
            return f"pair {x} {y}"
        case [x, *rest]:
            return f"list {x} {len(rest)}"
        case {"type": "rope", **rest}:
            return f"rope {sorted(rest)}"
        case Point(x=0, y=y):
            return f"on axis {y}"
        case str() as text:
            return text.upper()
        case None:
            return "none"
        case _:
            return "other"


e01 = [kind_of(value) for value in (1, 500, [1, 2], [1, 2, 3], "ab", None, 7)]  # => ['small', 'big 500', 'pair 1 2', 'list 1 2', 'AB', 'none', 'other']
e02 = kind_of({"type": "rope", "theta": 1})  # => "rope ['theta']"
e03 = kind_of(Point(0, 5))  # => 'on axis 5'


class Refused(ValueError):
    def __init__(self, code):
        super().__init__(f"refused {code}")
        self.code = code


def tried(value):
    log = []
    try:
        if value == 0:
            raise Refused(7)
        if value == 1:
            {}["missing"]
        if value == 2:
            return log + ["returned"]
        log.append("fine")
    except Refused as error:
        log.append(f"{error} {error.code}")
    except (KeyError, IndexError) as error:
        log.append(type(error).__name__)
    else:
        log.append("else")
    finally:
        log.append("finally")
    return log


e04 = tried(0)  # => ['refused 7 7', 'finally']
e05 = tried(1)  # => ['KeyError', 'finally']
e06 = tried(2)  # => ['returned']
e07 = tried(3)  # => ['fine', 'else', 'finally']


def looped():
    found = []
    for n in range(2, 10):
        for d in range(2, n):
            if n % d == 0:
                break
        else:
            found.append(n)
        if n == 8:
            break
    while len(found) < 6:
        found.append(0)
        if len(found) == 5:
            continue
    return found


e08 = looped()  # => [2, 3, 5, 7, 0, 0]


class Managed:
    def __init__(self, log):
        self.log = log

    def __enter__(self):
        self.log.append("in")
        return self

    def __exit__(self, kind, value, traceback):
        self.log.append("out" if kind is None else kind.__name__)
        return True


def managed():
    log = []
    with Managed(log) as first, Managed(log):
        first.log.append("body")
        raise ValueError
    return log


e09 = managed()  # => ['in', 'in', 'body', 'ValueError', 'out']


# Text.
f01 = f"{3.14159:.2f}|{'x':>3}|{10:04d}|{1000000:,}|{0.5:.0%}"  # => '3.14|  x|0010|1,000,000|50%'
f02 = "{}-{name}-{0}".format(1, name="n") if False else "{0}-{name}".format(1, name="n")  # => '1-n'
f03 = "%s has %d of %.1f" % ("a", 3, 2.5)  # => 'a has 3 of 2.5'
f04 = "a.b.c".rsplit(".", 1) + "x,y".split(",") + ["-".join("ab"), " t ".strip(), "Ab".lower().title()]  # => ['a.b', 'c', 'x', 'y', 'a-b', 't', 'Ab']
f05 = ["model.layers.0".startswith(("model", "x")), "q_proj".endswith("proj"), "abc".replace("b", "-"), "ab".find("z")]  # => [True, True, 'a-c', -1]
f06 = "layers.{}.weight".format(3).partition(".")  # => ('layers', '.', '3.weight')
f07 = f"{'a' + f'{1 + 1}'!r:>6}"  # => "  'a2'"
f08 = f"{(lambda x: x * 2)(4)=}"  # => '(lambda x: x * 2)(4)=8'


# Libraries.
def grouped():
    groups = defaultdict(list)
    for index, letter in enumerate("abab", start=1):
        groups[letter].append(index)
    return dict(groups)


g01 = grouped()  # => {'a': [1, 3], 'b': [2, 4]}
g02 = list(OrderedDict([("b", 1), ("a", 2)]))  # => ['b', 'a']
g03 = [math.ceil(2.1), math.log2(8), math.gcd(12, 18), math.prod([2, 3]), math.isqrt(17)]  # => [3, 3.0, 6, 6, 4]
g04 = list(itertools.chain([1], (2, 3))) + list(itertools.accumulate([1, 2, 3]))  # => [1, 2, 3, 1, 3, 6]
g05 = [pair for pair in itertools.product([0, 1], "a")]  # => [(0, 'a'), (1, 'a')]
g06 = list(itertools.islice(itertools.cycle("ab"), 3)) + list(itertools.repeat(0, 2))  # => ['a', 'b', 'a', 0, 0]
g07 = list(zip(*[(1, 2), (3, 4)])) + list(map(str, [1]))  # => [(1, 3), (2, 4), '1']
g08 = [divmod(17, 5), pow(2, 5, 7), round(2.567, 1), abs(-3), int("12"), float("1e3")]  # => [(3, 2), 4, 2.6, 3, 12, 1000.0]
g09 = [any([0, 1]), all([]), min(3, 1), max([2, 9], default=0), sum([1, 2], 10)]  # => [True, True, 1, 9, 13]


def copied():
    original = {"a": [1, {"b": 2}], "p": Point(1)}
    deep, shallow = copy.deepcopy(original), copy.copy(original)
    original["a"][1]["b"] = 5
    original["p"].x = 8
    return deep["a"][1]["b"], shallow["a"][1]["b"], deep["p"].x, shallow["p"].x


g10 = copied()  # => (2, 5, 1, 8)
g11 = isinstance(3, (int, str)) and not isinstance("x", int)  # => True
g12 = [reversed_ for reversed_ in reversed([1, 2, 3])]  # => [3, 2, 1]
g13 = list(filter(None, [0, 1, "", "a"])) + sorted([3, 1, 2], reverse=True)  # => [1, 'a', 3, 2, 1]
g14 = dict(zip(["a", "b"], [1, 2])).get("z", "none")  # => 'none'
g15 = [*enumerate("ab", 1)][-1]  # => (2, 'b')
g16 = bool(isinstance(None, type(None)))  # => True
g17 = 7 // -2 + (-7) % 3 + (5 ^ 3) + (6 & 3) + (1 << 4)  # => 22
g18 = callable(len) and not callable(3)  # => True
g19 = getattr(math, "pi") > 3  # => True


def globals_changed():
    global COUNT
    COUNT = COUNT + 1 if "COUNT" in globals() else 1
    return COUNT


COUNT = 4
g20 = globals_changed()  # => 5


def deleted():
    holder = A(1)
    del holder.x
    values = {"a": 1, "b": 2}
    del values["a"]
    return hasattr(holder, "x"), values, values.pop("z", 0), values.setdefault("c", 3)


g21 = deleted()  # => (False, {'b': 2, 'c': 3}, 0, 3)


# A signature is that of what a decorator says it wraps.

def loud(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


class Speaker:
    @loud
    def say(self, word, times=2):
        return word * times


g22 = list(inspect.signature(Speaker().say).parameters)  # => ['word', 'times']
g23 = Speaker().say("a")  # => 'aa'


def traced(cls):
    original = cls.__init__

    @functools.wraps(original)
    def __init__(self, *args, **kwargs):
        original(self, *args, **kwargs)

    cls.__init__ = __init__
    return cls


@traced
@dataclasses.dataclass
class Sized:
    rows: int
    columns: int = 3
    cells: int = dataclasses.field(default=0, init=False)


g24 = list(inspect.signature(Sized.__init__).parameters)  # => ['self', 'rows', 'columns']
g25 = list(inspect.signature(Sized).parameters)  # => ['rows', 'columns']
g26 = inspect.signature(Sized).parameters["columns"].default  # => 3


class Bare(Point):
    pass


g27 = [field.name for field in dataclasses.fields(Bare)]  # => ['x', 'y', 'tags']
g28 = dataclasses.is_dataclass(Bare(1)), dataclasses.asdict(Bare(1))  # => (True, {'x': 1, 'y': 2, 'tags': []})
