"""Switches that change nothing about the data flow; as decorators they give the function back."""


class _Switch:
    def __enter__(self):
        return None

    def __exit__(self, *args):
        return None

    def __call__(self, function):
        return function


class no_grad(_Switch):
    __stops_gradients__ = True

    def __new__(cls, orig_func=None):
        if orig_func is None:
            return object.__new__(cls)
        return orig_func

    def __init__(self, orig_func=None):
        pass


class enable_grad(no_grad):
    __stops_gradients__ = False


class inference_mode(_Switch):
    def __new__(cls, mode=True):
        if isinstance(mode, bool):
            return object.__new__(cls)
        return mode

    def __init__(self, mode=True):
        self.__stops_gradients__ = mode


class set_grad_enabled(_Switch):
    def __init__(self, mode):
        self.mode = mode
        self.__stops_gradients__ = not mode


class set_multithreading_enabled(_Switch):
    def __init__(self, mode):
        self.mode = mode
