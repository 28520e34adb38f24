"""What ``types.SimpleNamespace`` gives."""


class Namespace:
    pass
