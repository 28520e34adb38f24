"""einops in torch's own operations: a pattern becomes reshape, permute, reduce and expand."""

import torch


class EinopsError(RuntimeError):
    pass


def _groups(side):
    groups = []
    group = None
    for word in side.replace("(", " ( ").replace(")", " ) ").split():
        if word == "(":
            group = []
        elif word == ")":
            groups.append(["(...)"] if group == ["..."] else group)
            group = None
        elif group is not None:
            group.append(word)
        elif word == "1":
            groups.append([])
        else:
            groups.append([word])
    return groups


def _expanded(groups, count):
    """The ellipsis as so many axes of its own."""
    found = []
    for group in groups:
        if group == ["..."]:
            found.extend([[f"...{index}"] for index in range(count)])
        else:
            axes = []
            for name in group:
                axes.extend([f"...{index}" for index in range(count)] if name in ("...", "(...)") else [name])
            found.append(axes)
    return found


def _sizes(tensor, groups, lengths):
    """The size of every axis; one in each group follows from the others."""
    sizes = dict(lengths)
    for group, size in zip(groups, tensor.shape):
        known = 1
        open_ = None
        for name in group:
            if name in sizes:
                known = known * sizes[name]
            elif name.isdigit():
                known = known * int(name)
                sizes[name] = int(name)
            else:
                open_ = name
        if open_ is not None:
            if len(group) > 1 and size % known != 0:
                raise EinopsError(f"Shape mismatch, can't divide axis of length {size} in chunks of {known}")
            sizes[open_] = size if len(group) == 1 else size // known
    return sizes


def _apply(tensor, pattern, lengths, reduction=None):
    left, right = pattern.split("->")
    before, after = _groups(left), _groups(right)
    count = len(tensor.shape) - sum(1 for group in before if group != ["..."])
    if count and ["..."] not in before and not any("..." in group for group in before):
        wanted, given = len(before), len(tensor.shape)
        raise EinopsError(f"Wrong shape: expected {wanted} dims. Received {given}-dim tensor. Pattern: {pattern}")
    before, after = _expanded(before, count), _expanded(after, count)
    sizes = _sizes(tensor, before, lengths)
    names = [name for group in before for name in group]
    if any(len(group) != 1 for group in before):
        tensor = tensor.reshape([sizes.get(name) for name in names])
    wanted = [name for group in after for name in group]
    gone = [index for index, name in enumerate(names) if name not in wanted]
    if gone:
        if reduction is None:
            raise EinopsError(f"Identifiers only on one side of expression (should be on both): {pattern}")
        tensor = getattr(tensor, {"max": "amax", "min": "amin"}.get(reduction, reduction))(dim=tuple(gone))
        names = [name for name in names if name in wanted]
    kept = [name for name in wanted if name in names]
    order = [names.index(name) for name in kept]
    if order != list(range(len(order))):
        tensor = tensor.permute(*order)
    if len(kept) != len(wanted):
        for index, name in enumerate(wanted):
            if name not in names:
                tensor = tensor.unsqueeze(index)
        tensor = tensor.expand(*[sizes.get(name) for name in wanted])
    if any(len(group) != 1 for group in after):
        shape = []
        for group in after:
            size = 1
            for name in group:
                size = size * sizes.get(name, tensor)
            shape.append(size)
        tensor = tensor.reshape(shape)
    return tensor


def rearrange(tensor, pattern, **axes_lengths):
    if isinstance(tensor, (list, tuple)):
        tensor = torch.stack(list(tensor), 0)
    return _apply(tensor, pattern, axes_lengths)


def repeat(tensor, pattern, **axes_lengths):
    return _apply(tensor, pattern, axes_lengths)


def reduce(tensor, pattern, reduction, **axes_lengths):
    return _apply(tensor, pattern, axes_lengths, reduction)


def pack(tensors, pattern):
    place = pattern.split().index("*")
    behind = len(pattern.split()) - place - 1
    shapes = [tensor.shape[place : len(tensor.shape) - behind] for tensor in tensors]
    flat = [
        tensor.reshape([*tensor.shape[:place], -1, *tensor.shape[len(tensor.shape) - behind :]]) for tensor in tensors
    ]
    return torch.cat(flat, dim=place), shapes


def unpack(tensor, packed_shapes, pattern):
    place = pattern.split().index("*")
    lengths = []
    for shape in packed_shapes:
        size = 1
        for item in shape:
            size = size * item
        lengths.append(size)
    pieces = tensor.split(lengths, dim=place)
    return [
        piece.reshape([*tensor.shape[:place], *shape, *tensor.shape[place + 1 :]])
        for piece, shape in zip(pieces, packed_shapes)
    ]


def einsum(*args):
    *tensors, pattern = args
    letters = {}
    for name in pattern.replace(",", " ").replace("->", " ").split():
        if name != "..." and name not in letters:
            letters[name] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[len(letters)]
    left, right = pattern.split("->")
    text = ",".join("".join(letters.get(name, name) for name in part.split()) for part in left.split(","))
    return torch.einsum(text + "->" + "".join(letters.get(name, name) for name in right.split()), *tensors)
