"""``inspect``: signatures (Python 3.11, `Lib/inspect.py`); what a function's is, and the rest, are native."""

from specdiff_native import annotations_of, parameters_of


class _empty:
    """Where there is no default, or no annotation."""


class Parameter:
    empty = _empty
    POSITIONAL_ONLY = 0
    POSITIONAL_OR_KEYWORD = 1
    VAR_POSITIONAL = 2
    KEYWORD_ONLY = 3
    VAR_KEYWORD = 4

    def __init__(self, name, kind, *, default=_empty, annotation=_empty, owner=None):
        self.name = name
        self.kind = kind
        self.default = default
        self._annotation = annotation
        self._owner = owner

    @property
    def annotation(self):
        if self._owner is not None:
            return annotations_of(self._owner).get(self.name, _empty)
        return self._annotation

    def replace(self, *, name=None, kind=None, default=_empty, annotation=_empty):
        return Parameter(
            self.name if name is None else name,
            self.kind if kind is None else kind,
            default=self.default if default is _empty else default,
            annotation=self._annotation if annotation is _empty else annotation,
            owner=self._owner if annotation is _empty else None,
        )


class BoundArguments:
    def __init__(self, signature, arguments):
        self.signature = signature
        self.arguments = arguments

    @property
    def args(self):
        found = []
        for name, parameter in self.signature.parameters.items():
            if parameter.kind in (Parameter.KEYWORD_ONLY, Parameter.VAR_KEYWORD) or name not in self.arguments:
                break
            if parameter.kind == Parameter.VAR_POSITIONAL:
                found.extend(self.arguments[name])
            else:
                found.append(self.arguments[name])
        return tuple(found)

    @property
    def kwargs(self):
        found = {}
        named = False
        for name, parameter in self.signature.parameters.items():
            if parameter.kind in (Parameter.KEYWORD_ONLY, Parameter.VAR_KEYWORD) or name not in self.arguments:
                named = True
            if not named or name not in self.arguments:
                continue
            if parameter.kind == Parameter.VAR_KEYWORD:
                found.update(self.arguments[name])
            else:
                found[name] = self.arguments[name]
        return found

    def apply_defaults(self):
        complete = {}
        for name, parameter in self.signature.parameters.items():
            if name in self.arguments:
                complete[name] = self.arguments[name]
            elif parameter.default is not _empty:
                complete[name] = parameter.default
            elif parameter.kind == Parameter.VAR_POSITIONAL:
                complete[name] = ()
            elif parameter.kind == Parameter.VAR_KEYWORD:
                complete[name] = {}
        self.arguments = complete


class Signature:
    empty = _empty

    def __init__(self, parameters=None, *, return_annotation=_empty, owner=None):
        self.parameters = {parameter.name: parameter for parameter in parameters or ()}
        self._return_annotation = return_annotation
        self._owner = owner

    @property
    def return_annotation(self):
        if self._owner is not None:
            return annotations_of(self._owner).get("return", _empty)
        return self._return_annotation

    def replace(self, *, parameters=None, return_annotation=_empty):
        return Signature(
            list(self.parameters.values()) if parameters is None else parameters,
            return_annotation=self._return_annotation if return_annotation is _empty else return_annotation,
            owner=self._owner if return_annotation is _empty else None,
        )

    def bind(self, *args, **kwargs):
        bound = self.bind_partial(*args, **kwargs)
        for name, parameter in self.parameters.items():
            variable = parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
            if name not in bound.arguments and parameter.default is _empty and not variable:
                raise TypeError(f"missing a required argument: {name!r}")
        return bound

    def bind_partial(self, *args, **kwargs):
        arguments = {}
        rest = list(args)
        named = dict(kwargs)
        for name, parameter in self.parameters.items():
            if parameter.kind == Parameter.VAR_POSITIONAL:
                if rest:
                    arguments[name] = tuple(rest)
                rest = []
            elif parameter.kind == Parameter.VAR_KEYWORD:
                if named:
                    arguments[name] = named
                named = {}
            elif rest and parameter.kind != Parameter.KEYWORD_ONLY:
                if name in named and parameter.kind != Parameter.POSITIONAL_ONLY:
                    raise TypeError(f"multiple values for argument {name!r}")
                arguments[name] = rest.pop(0)
            elif name in named and parameter.kind != Parameter.POSITIONAL_ONLY:
                arguments[name] = named.pop(name)
        if rest:
            raise TypeError("too many positional arguments")
        for name in named:
            raise TypeError(f"got an unexpected keyword argument {name!r}")
        return BoundArguments(self, arguments)


def made(rows, owner):
    """The signature of a function: (name, kind, whether there is a default, the default) of each parameter."""
    return Signature(
        [
            Parameter(name, kind, default=default if has_default else _empty, owner=owner)
            for name, kind, has_default, default in rows
        ],
        owner=owner,
    )


class _Code:
    def __init__(self, rows, name):
        order = [row[0] for row in rows if row[1] in (0, 1)]
        named = [row[0] for row in rows if row[1] == 3]
        self.co_argcount = len(order)
        self.co_posonlyargcount = len([row for row in rows if row[1] == 0])
        self.co_kwonlyargcount = len(named)
        self.co_varnames = (*order, *named, *[row[0] for row in rows if row[1] in (2, 4)])
        self.co_name = name


def _code(function):
    return _Code(parameters_of(function), function.__name__)


def _defaults(function):
    found = tuple([default for _, kind, has_default, default in parameters_of(function) if kind < 2 and has_default])
    return found or None


def _kwdefaults(function):
    found = {name: default for name, kind, has_default, default in parameters_of(function) if kind == 3 and has_default}
    return found or None


def _annotations(function):
    return annotations_of(function)
