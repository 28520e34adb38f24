"""pydantic's models as keyword-only dataclasses: fields, defaults, validators of the whole object."""

import dataclasses

_MISSING = object()


class ValidationError(ValueError):
    pass


def Field(default=_MISSING, *, default_factory=_MISSING, **kwargs):
    if default_factory is not _MISSING:
        return dataclasses.field(default_factory=default_factory)
    if default is _MISSING or default is Ellipsis:
        return dataclasses.field()
    return dataclasses.field(default=default)


def PrivateAttr(default=None, *, default_factory=None, **kwargs):
    return default_factory() if default_factory is not None else default


def ConfigDict(**kwargs):
    return kwargs


def model_validator(*, mode="after"):
    def mark(function):
        if mode == "after":
            function.validates_object = True
        return function

    return mark


def root_validator(*args, **kwargs):
    if args and callable(args[0]):
        return args[0]
    return lambda function: function


def field_validator(*fields, **kwargs):
    return lambda function: function


def validator(*fields, **kwargs):
    return lambda function: function


def field_serializer(*fields, **kwargs):
    return lambda function: function


def computed_field(*args, **kwargs):
    if args and callable(args[0]):
        return args[0]
    return lambda function: function


class BaseModel:
    def __init_subclass__(cls, **kwargs):
        dataclasses.dataclass(kw_only=True)(cls)

    def __post_init__(self):
        for owner in type(self).__mro__:
            for value in list(getattr(owner, "__dict__", {}).values()):
                if getattr(value, "validates_object", False) is True:
                    value(self)
        self.model_post_init(None)

    def model_post_init(self, context):
        pass

    def model_dump(self, **kwargs):
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    dict = model_dump

    @classmethod
    def model_validate(cls, values, **kwargs):
        return cls(**values)

    def model_copy(self, *, update=None, **kwargs):
        return type(self)(**{**self.model_dump(), **(update or {})})
