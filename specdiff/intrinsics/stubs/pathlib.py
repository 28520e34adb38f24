"""``pathlib``: what can be said of a path without looking at the disk."""

import posixpath

from specdiff_native import on_disk


class PurePath:
    def __init__(self, *parts):
        text = posixpath.join(*[str(part) for part in parts]) if parts else ""
        kept = "/".join([piece for piece in text.split("/") if piece and piece != "."])
        self._text = "/" + kept if text.startswith("/") else kept or "."

    def __str__(self):
        return self._text

    def __fspath__(self):
        return self._text

    def as_posix(self):
        return self._text

    def __truediv__(self, other):
        return type(self)(self._text, other)

    def __rtruediv__(self, other):
        return type(self)(other, self._text)

    def joinpath(self, *others):
        return type(self)(self._text, *others)

    def __eq__(self, other):
        return isinstance(other, PurePath) and other._text == self._text

    def __hash__(self):
        return hash(self._text)

    @property
    def parts(self):
        return tuple(part for part in self._text.split("/") if part)

    @property
    def name(self):
        return posixpath.basename(self._text)

    @property
    def stem(self):
        return posixpath.splitext(self.name)[0]

    @property
    def suffix(self):
        return posixpath.splitext(self.name)[1]

    @property
    def parent(self):
        return type(self)(posixpath.dirname(self._text) or ".")

    @property
    def parents(self):
        found = [self.parent]
        while found[-1] != found[-1].parent:
            found.append(found[-1].parent)
        return found

    def with_name(self, name):
        return self.parent / name

    def with_suffix(self, suffix):
        return self.parent / (self.stem + suffix)

    def is_absolute(self):
        return self._text.startswith("/")


class Path(PurePath):
    def resolve(self, strict=False):
        return self

    absolute = expanduser = resolve

    def mkdir(self, *args, **kwargs):
        return None

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args, **kwargs: on_disk(self._text)


PurePosixPath = PurePath
PosixPath = Path
