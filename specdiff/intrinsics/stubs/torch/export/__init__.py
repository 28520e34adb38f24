"""Nothing is exported."""


class Dim:
    AUTO = None
    DYNAMIC = None
    STATIC = None

    def __init__(self, name, *, min=None, max=None):
        self.name = name


class ExportedProgram:
    pass
