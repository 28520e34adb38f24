"""Collective operations of a single process."""


def all_gather(tensor, group=None):
    return (tensor,)


def all_reduce(tensor, op=None, group=None):
    return tensor


def broadcast(tensor, src, group=None):
    return tensor
