"""Parametrisations: the tensors that are learned move below ``parametrizations``, the old name computes its value."""

import torch

from ..modules.container import ModuleDict, ModuleList
from ..parameter import Parameter


class cached:
    def __enter__(self):
        return None

    def __exit__(self, *args):
        return None


def _register(module, name, tensor):
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


class ParametrizationList(ModuleList):
    def __init__(self, modules, original, unsafe=False):
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        learned = original
        for module in reversed(modules):
            if hasattr(module, "right_inverse"):
                learned = module.right_inverse(learned)
        self.is_tensor = not isinstance(learned, (tuple, list))
        if self.is_tensor:
            self.ntensors = 1
            original.data = learned
            _register(self, "original", original)
        else:
            self.ntensors = len(learned)
            for index, tensor in enumerate(learned):
                _register(self, f"original{index}", Parameter(tensor) if isinstance(original, Parameter) else tensor)

    def right_inverse(self, value):
        return None

    def forward(self):
        if self.is_tensor:
            value = self[0](self.original)
        else:
            value = self[0](*[getattr(self, f"original{index}") for index in range(self.ntensors)])
        for index in range(1, len(self)):
            value = self[index](value)
        return value


def _own_class(module):
    """Gives a module a class of its own, so that the parametrised name can be a property of it."""

    class Parametrized(module.__class__):
        pass

    Parametrized.__name__ = "Parametrized" + module.__class__.__name__
    module.__class__ = Parametrized


def _computed(tensor_name):
    def get(self):
        return self._modules["parametrizations"][tensor_name]()

    def put(self, value):
        return self._modules["parametrizations"][tensor_name].right_inverse(value)

    return property(get, put)


def is_parametrized(module, tensor_name=None):
    table = module._modules.get("parametrizations")
    if not isinstance(table, ModuleDict):
        return False
    if tensor_name is None:
        return len(table) > 0
    return tensor_name in table


def register_parametrization(module, tensor_name, parametrization, *, unsafe=False):
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        module.parametrizations[tensor_name].append(parametrization)
        return module
    if tensor_name not in module._buffers and tensor_name not in module._parameters:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    entries = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe=unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        _own_class(module)
        module.parametrizations = ModuleDict()
    setattr(module.__class__, tensor_name, _computed(tensor_name))
    module.parametrizations[tensor_name] = entries
    return module


def remove_parametrizations(module, tensor_name, leave_parametrized=True):
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    entries = module.parametrizations[tensor_name]
    if entries.is_tensor:
        original = entries.original
        if leave_parametrized:
            original.data = getattr(module, tensor_name)
    elif leave_parametrized:
        original = Parameter(torch.empty(getattr(module, tensor_name).shape))
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor "
            "that is parametrized in terms of a sequence of tensors."
        )
    delattr(module.__class__, tensor_name)
    del module.parametrizations[tensor_name]
    if len(module.parametrizations) == 0:
        delattr(module, "parametrizations")
        module.__class__ = module.__class__.__bases__[0]
    _register(module, tensor_name, original)
    return module


def type_before_parametrizations(module):
    return module.__class__.__bases__[0] if is_parametrized(module) else type(module)
