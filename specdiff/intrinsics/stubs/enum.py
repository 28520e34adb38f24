"""Enumerations; members are made by the interpreter when a class body has run."""


class Enum:
    pass


class IntEnum(int, Enum):
    pass


class StrEnum(str, Enum):
    pass


class Flag(Enum):
    pass


class IntFlag(int, Flag):
    pass


class EnumMeta(type):
    pass
