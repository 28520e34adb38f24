"""What ``inspect.signature`` and ``types.SimpleNamespace`` give."""


class Parameter:
    empty = "<empty>"

    def __init__(self, name, default):
        self.name = name
        self.default = default


class BoundArguments:
    def __init__(self, signature, arguments):
        self.signature = signature
        self.arguments = arguments

    def apply_defaults(self):
        for name, parameter in self.signature.parameters.items():
            if name not in self.arguments and parameter.default is not Parameter.empty:
                self.arguments[name] = parameter.default


class Signature:
    def __init__(self, names, defaults, keyword_only=(), extra=None):
        names = [*names, *keyword_only]
        self.parameters = {name: Parameter(name, defaults.get(name, Parameter.empty)) for name in names}
        self._positional = [name for name in names if name not in keyword_only]
        self._extra = extra

    def bind(self, *args, **kwargs):
        arguments = dict(zip(self._positional, args))
        rest = {}
        for name, value in kwargs.items():
            if name in self.parameters:
                arguments[name] = value
            else:
                rest[name] = value
        if self._extra is not None and rest:
            arguments[self._extra] = rest
        return BoundArguments(self, arguments)

    bind_partial = bind


class Namespace:
    pass
