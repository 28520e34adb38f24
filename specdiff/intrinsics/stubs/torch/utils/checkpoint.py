"""Activation checkpointing calls the function."""


def checkpoint(
    function,
    *args,
    use_reentrant=None,
    context_fn=None,
    determinism_check="default",
    debug=False,
    preserve_rng_state=True,
    early_stop=True,
    **kwargs,
):
    return function(*args, **kwargs)


def checkpoint_sequential(functions, segments, input, use_reentrant=None, **kwargs):
    for function in functions.children() if hasattr(functions, "children") else functions:
        input = function(input)
    return input


def set_checkpoint_early_stop(enable):
    return None


def noop_context_fn():
    return None, None


def create_selective_checkpoint_contexts(*args, **kwargs):
    return None, None
