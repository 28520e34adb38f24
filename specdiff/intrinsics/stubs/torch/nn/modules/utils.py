"""Sizes written once or once per axis."""


def _ntuple(count, name="parse"):
    def parse(value):
        if isinstance(value, (tuple, list)):
            return tuple(value)
        return (value,) * count

    return parse


_single = _ntuple(1)
_pair = _ntuple(2)
_triple = _ntuple(3)
_quadruple = _ntuple(4)


def _reverse_repeat_tuple(values, count):
    return tuple(value for value in reversed(values) for _ in range(count))


def _list_with_default(out_size, defaults):
    if isinstance(out_size, int):
        return out_size
    return [given if given is not None else size for given, size in zip(out_size, defaults[-len(out_size) :])]
