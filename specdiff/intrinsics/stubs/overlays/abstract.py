"""The methods that `collections.abc` derives from the ones a class defines itself."""


class Mapping:
    def get(self, key, default=None):
        try:
            return self[key]
        except KeyError:
            return default

    def __contains__(self, key):
        try:
            self[key]
        except KeyError:
            return False
        return True

    def keys(self):
        return [key for key in self]

    def values(self):
        return [self[key] for key in self]

    def items(self):
        return [(key, self[key]) for key in self]


class MutableMapping(Mapping):
    def pop(self, key, *default):
        try:
            value = self[key]
        except KeyError:
            if default:
                return default[0]
            raise
        del self[key]
        return value

    def setdefault(self, key, default=None):
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, other=(), **kwargs):
        for key in other.keys() if hasattr(other, "keys") else ():
            self[key] = other[key]
        for key, value in kwargs.items():
            self[key] = value

    def clear(self):
        for key in self.keys():
            del self[key]


class Sequence:
    def __iter__(self):
        return iter([self[index] for index in range(len(self))])

    def __contains__(self, value):
        return any(item == value for item in self)


class MutableSequence(Sequence):
    def append(self, value):
        self.insert(len(self), value)

    def extend(self, values):
        for value in values:
            self.append(value)
