"""A custom function's ``forward`` is what runs; ``backward`` is not followed."""


class FunctionCtx:
    saved_tensors = ()
    needs_input_grad = ()

    def save_for_backward(self, *tensors):
        self.saved_tensors = tensors

    def save_for_forward(self, *tensors):
        return None

    def mark_dirty(self, *args):
        return None

    def mark_non_differentiable(self, *args):
        return None

    def set_materialize_grads(self, value):
        return None


class Function(FunctionCtx):
    @classmethod
    def apply(cls, *args, **kwargs):
        if cls.setup_context is Function.setup_context:
            return cls.forward(FunctionCtx(), *args, **kwargs)
        output = cls.forward(*args, **kwargs)
        cls.setup_context(FunctionCtx(), args, output)
        return output

    @staticmethod
    def setup_context(ctx, inputs, output):
        return None


class InplaceFunction(Function):
    pass


def once_differentiable(fn):
    return fn
