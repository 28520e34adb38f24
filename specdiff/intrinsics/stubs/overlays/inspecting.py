"""What ``inspect.signature`` and ``types.SimpleNamespace`` give."""


class Parameter:
    empty = "<empty>"

    def __init__(self, name, default):
        self.name = name
        self.default = default


class Signature:
    def __init__(self, names, defaults):
        self.parameters = {name: Parameter(name, defaults.get(name, Parameter.empty)) for name in names}


class Namespace:
    pass
