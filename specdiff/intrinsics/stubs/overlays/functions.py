"""``functools.total_ordering``, ``singledispatch`` and ``partialmethod`` (Python 3.11, `Lib/functools.py`)."""


def total_ordering(cls):
    own = [name for name in ("__lt__", "__le__", "__gt__", "__ge__") if hasattr(cls, name)]
    if not own:
        raise ValueError("must define at least one ordering operation: < > <= >=")
    root = own[0]

    def below(a, b):
        if root == "__lt__":
            return a < b
        if root == "__gt__":
            return not (a > b) and not (a == b)
        if root == "__le__":
            return a <= b and not (a == b)
        return not (a >= b)

    made = {
        "__lt__": lambda self, other: below(self, other),
        "__le__": lambda self, other: below(self, other) or self == other,
        "__gt__": lambda self, other: not below(self, other) and not self == other,
        "__ge__": lambda self, other: not below(self, other),
    }
    for name, function in made.items():
        if name not in own:
            setattr(cls, name, function)
    return cls


def singledispatch(func):
    registry = {}

    def register(cls, function=None):
        if function is None:
            if isinstance(cls, type):
                return lambda function: register(cls, function)
            function = cls
            cls = next(iter(function.__annotations__.values()))
        registry[cls] = function
        return function

    def dispatched(first, *args, **kwargs):
        best = None
        for kind in registry:
            if isinstance(first, kind) and (best is None or issubclass(kind, best)):
                best = kind
        function = func if best is None else registry[best]
        return function(first, *args, **kwargs)

    dispatched.register = register
    dispatched.registry = registry
    dispatched.__name__ = func.__name__
    return dispatched


class partialmethod:
    def __init__(self, func, /, *args, **kwargs):
        self.func = func
        self.args = args
        self.keywords = kwargs

    def __get__(self, obj, owner=None):
        def bound(*args, **kwargs):
            return self.func.__get__(obj, owner)(*self.args, *args, **{**self.keywords, **kwargs})

        return bound
