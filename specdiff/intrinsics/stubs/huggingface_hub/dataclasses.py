"""Strict dataclasses: the class validators run after construction, field types are not checked."""

from dataclasses import MISSING, fields
from functools import wraps

from .errors import StrictDataclassClassValidationError

_ONLY_WARN = ("validate_token_ids",)


def strict(cls=None, *, accept_kwargs=False):
    def wrap(cls):
        if accept_kwargs:

            def __init__(self, *args, **kwargs):
                names = {f.name for f in fields(cls)}
                for f in fields(cls):
                    if f.name in kwargs:
                        setattr(self, f.name, kwargs[f.name])
                    elif f.default is not MISSING:
                        setattr(self, f.name, f.default)
                    elif f.default_factory is not MISSING:
                        setattr(self, f.name, f.default_factory())
                    else:
                        raise TypeError(f"Missing required field - '{f.name}'")
                self.__post_init__(**{name: value for name, value in kwargs.items() if name not in names})

            cls.__init__ = __init__
            if not hasattr(cls, "__post_init__"):

                def __post_init__(self, **kwargs):
                    for name, value in kwargs.items():
                        setattr(self, name, value)

                cls.__post_init__ = __post_init__

        validators = [name for name in dir(cls) if name.startswith("validate_") and name not in _ONLY_WARN]
        validators = [name for name in validators if callable(getattr(cls, name))]

        def validate(self):
            for name in validators:
                try:
                    getattr(cls, name)(self)
                except (ValueError, TypeError) as e:
                    raise StrictDataclassClassValidationError(validator=name, cause=e) from e

        cls.validate = validate
        initial_init = cls.__init__

        @wraps(initial_init)
        def init_with_validate(self, *args, **kwargs):
            initial_init(self, *args, **kwargs)
            cls.validate(self)

        cls.__init__ = init_with_validate
        return cls

    return wrap(cls) if cls is not None else wrap


def as_validated_field(validator):
    def build(default=MISSING, **kwargs):
        from dataclasses import field

        return field(default=default, metadata={"validator": validator}, **kwargs)

    return build


def validated_field(validator, default=MISSING, default_factory=MISSING, **kwargs):
    from dataclasses import field

    return field(default=default, default_factory=default_factory, metadata={"validator": validator}, **kwargs)


def validate_typed_dict(schema, data):
    return None
