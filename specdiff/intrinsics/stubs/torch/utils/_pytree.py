"""Nested lists, tuples and dicts of values."""


def tree_map(func, tree, *rests, is_leaf=None):
    if is_leaf is not None and is_leaf(tree):
        return func(tree, *rests)
    if isinstance(tree, dict):
        return {key: tree_map(func, tree[key], *[rest[key] for rest in rests], is_leaf=is_leaf) for key in tree}
    if isinstance(tree, list):
        return [tree_map(func, *parts, is_leaf=is_leaf) for parts in zip(tree, *rests)]
    if isinstance(tree, tuple):
        return tuple([tree_map(func, *parts, is_leaf=is_leaf) for parts in zip(tree, *rests)])
    return func(tree, *rests)


def tree_leaves(tree, is_leaf=None):
    if is_leaf is not None and is_leaf(tree):
        return [tree]
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in tree_leaves(value, is_leaf)]
    if isinstance(tree, (list, tuple)):
        return [leaf for value in tree for leaf in tree_leaves(value, is_leaf)]
    return [tree]


def register_pytree_node(*args, **kwargs):
    return None


def _register_pytree_node(*args, **kwargs):
    return None
