"""torch.nn.Module in plain Python.

The interpreter itself implements setting, getting and deleting attributes over the three tables that
``Module.__init__`` makes, so those special methods are not written here. Error words are torch 2.13's.
"""

from collections import OrderedDict, namedtuple

from specdiff_native import (
    named_buffers,
    named_children,
    named_modules,
    named_parameters,
    registered,
    second,
    set_training,
)
from torch.utils.hooks import RemovableHandle

from ..parameter import Parameter

_TENSOR_TYPES = {
    "torch.float32": "torch.FloatTensor",
    "torch.float64": "torch.DoubleTensor",
    "torch.float16": "torch.HalfTensor",
    "torch.bfloat16": "torch.BFloat16Tensor",
    "torch.int64": "torch.LongTensor",
    "torch.int32": "torch.IntTensor",
    "torch.bool": "torch.BoolTensor",
    "torch.uint8": "torch.ByteTensor",
}
_IncompatibleKeys = namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])


def _type_name(value):
    if isinstance(value, torch.Tensor):
        return _TENSOR_TYPES.get(str(value.dtype), "torch.Tensor")
    kind = type(value)
    module = getattr(kind, "__module__", "")
    return kind.__name__ if module in ("", "builtins") else f"{module}.{kind.__name__}"


def _join(prefix, name):
    return prefix + "." + name if prefix else name


class Module:
    dump_patches = False
    training = True
    call_super_init = False
    _version = 1
    # Tables of hooks; an instance gets its own when a hook is registered.
    _forward_hooks = {}
    _forward_pre_hooks = {}
    _forward_hooks_with_kwargs = {}
    _forward_pre_hooks_with_kwargs = {}

    def __init__(self, *args, **kwargs):
        if kwargs:
            raise TypeError(
                f"{type(self).__name__}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
            )
        if args:
            raise TypeError(
                f"{type(self).__name__}.__init__() takes 1 positional argument but {len(args) + 1} were given"
            )
        self.training = True
        self._parameters = {}
        self._buffers = {}
        self._non_persistent_buffers_set = set()
        self._modules = {}

    def forward(self, *args, **kwargs):
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def __call__(self, *args, **kwargs):
        if self._forward_pre_hooks or self._forward_hooks:
            return self._call_with_hooks(args, kwargs)
        return self.forward(*args, **kwargs)

    def _call_impl(self, *args, **kwargs):
        return Module.__call__(self, *args, **kwargs)

    def _call_with_hooks(self, args, kwargs):
        for key, hook in list(self._forward_pre_hooks.items()):
            if key in self._forward_pre_hooks_with_kwargs:
                changed = hook(self, args, kwargs)
                if changed is not None:
                    args, kwargs = changed
            else:
                changed = hook(self, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
        result = self.forward(*args, **kwargs)
        for key, hook in list(self._forward_hooks.items()):
            if key in self._forward_hooks_with_kwargs:
                changed = hook(self, args, kwargs, result)
            else:
                changed = hook(self, args, result)
            if changed is not None:
                result = changed
        return result

    # --- Registering -----------------------------------------------------------------------------

    def register_buffer(self, name, tensor, persistent=True):
        if "_buffers" not in self.__dict__:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"buffer name should be a string. Got {_type_name(name)}")
        if "." in name:
            raise KeyError('buffer name can\'t contain "."')
        if name == "":
            raise KeyError('buffer name can\'t be empty string ""')
        if hasattr(self, name) and name not in self._buffers:
            raise KeyError(f"attribute '{name}' already exists")
        if isinstance(tensor, (bool, int, float, str, list, tuple, dict, Module)):
            raise TypeError(
                f"cannot assign '{_type_name(tensor)}' object to buffer '{name}' (torch Tensor or None required)"
            )
        self._buffers[name] = registered(tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_parameter(self, name, param):
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign parameter before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"parameter name should be a string. Got {_type_name(name)}")
        if "." in name:
            raise KeyError('parameter name can\'t contain "."')
        if name == "":
            raise KeyError('parameter name can\'t be empty string ""')
        if name not in self._parameters and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{_type_name(param)}' object to parameter '{name}' "
                "(torch.nn.Parameter or None required)"
            )
        self._parameters[name] = param

    def add_module(self, name, module):
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"{_type_name(module)} is not a Module subclass")
        if not isinstance(name, str):
            raise TypeError(f"module name should be a string. Got {_type_name(name)}")
        if name not in self._modules and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name:
            raise KeyError(f'module name can\'t contain ".", got: {name}')
        if name == "":
            raise KeyError('module name can\'t be empty string ""')
        self._modules[name] = module

    def register_module(self, name, module):
        self.add_module(name, module)

    # --- Walking ---------------------------------------------------------------------------------

    def named_children(self):
        return named_children(self)

    def children(self):
        return second(self.named_children())

    def named_modules(self, memo=None, prefix="", remove_duplicate=True):
        return named_modules(self, memo, prefix, remove_duplicate)

    def modules(self):
        return second(self.named_modules())

    def _named_members(self, get_members_fn, prefix="", recurse=True, remove_duplicate=True):
        memo = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for module_prefix, module in modules:
            for name, value in get_members_fn(module):
                if value is None or value in memo:
                    continue
                if remove_duplicate:
                    memo.add(value)
                yield _join(module_prefix, name), value

    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
        return named_parameters(self, prefix, recurse, remove_duplicate)

    def parameters(self, recurse=True):
        return second(self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix="", recurse=True, remove_duplicate=True):
        return named_buffers(self, prefix, recurse, remove_duplicate)

    def buffers(self, recurse=True):
        return second(self.named_buffers(recurse=recurse))

    def get_submodule(self, target):
        if target == "":
            return self
        module = self
        for item in target.split("."):
            if not hasattr(module, item):
                raise AttributeError(module._get_name() + " has no attribute `" + item + "`")
            module = getattr(module, item)
            if not isinstance(module, Module):
                raise AttributeError("`" + item + "` is not an nn.Module")
        return module

    def set_submodule(self, target, module, strict=False):
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if hasattr(parent, name):
            if not isinstance(getattr(parent, name), Module):
                raise AttributeError("`" + name + "` is not an nn.Module")
        elif strict:
            raise AttributeError(parent._get_name() + " has no attribute `" + name + "`")
        setattr(parent, name, module)

    def get_parameter(self, target):
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(module._get_name() + " has no attribute `" + name + "`")
        param = getattr(module, name)
        if not isinstance(param, Parameter):
            raise AttributeError("`" + name + "` is not an nn.Parameter")
        return param

    def get_buffer(self, target):
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(module._get_name() + " has no attribute `" + name + "`")
        if name not in module._buffers:
            raise AttributeError("`" + name + "` is not a buffer")
        return module._buffers[name]

    def get_extra_state(self):
        raise RuntimeError("Reached a code path in Module.get_extra_state() that should never be called.")

    def set_extra_state(self, state):
        raise RuntimeError("Reached a code path in Module.set_extra_state() that should never be called.")

    # --- Changing all of it ----------------------------------------------------------------------

    def apply(self, fn):
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self, fn, recurse=True):
        for module in self.modules() if recurse else [self]:
            for param in module._parameters.values():
                if param is not None:
                    param.data = fn(param.data)
            for name, value in list(module._buffers.items()):
                if value is not None:
                    module._buffers[name] = fn(value)
        return self

    def _cast(self, dtype):
        return self._apply(lambda value: value.to(dtype) if value.is_floating_point() else value)

    def to(self, *args, **kwargs):
        # Places do not matter to the analysis; only a change of type does.
        dtype = kwargs.get("dtype")
        tensor = kwargs.get("tensor")
        for arg in args:
            if isinstance(arg, torch.dtype):
                dtype = arg
            elif isinstance(arg, torch.Tensor):
                tensor = arg
        if dtype is None and tensor is not None:
            dtype = tensor.dtype
        if dtype is None:
            return self
        if not dtype.is_floating_point:
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
            )
        return self._cast(dtype)

    def float(self):
        return self._cast(torch.float32)

    def double(self):
        return self._cast(torch.float64)

    def half(self):
        return self._cast(torch.float16)

    def bfloat16(self):
        return self._cast(torch.bfloat16)

    def type(self, dst_type):
        return self._apply(lambda value: value.to(dst_type))

    def cpu(self):
        return self

    def cuda(self, device=None):
        return self

    def xpu(self, device=None):
        return self

    def ipu(self, device=None):
        return self

    def mtia(self, device=None):
        return self

    def to_empty(self, *, device, recurse=True):
        return self

    def share_memory(self):
        return self

    def compile(self, *args, **kwargs):
        return None

    def train(self, mode=True):
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        set_training(self, mode, Module.train)
        return self

    def eval(self):
        return self.train(False)

    def requires_grad_(self, requires_grad=True):
        for param in self.parameters():
            param.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none=True):
        return None

    # --- State -----------------------------------------------------------------------------------

    def state_dict(self, *args, destination=None, prefix="", keep_vars=False):
        if args:
            destination = args[0]
            prefix = args[1] if len(args) > 1 else prefix
        if destination is None:
            destination = OrderedDict()
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=prefix + name + ".", keep_vars=keep_vars)
        return destination

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        for name, param in self._parameters.items():
            if param is not None:
                destination[prefix + name] = param
        for name, value in self._buffers.items():
            if value is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = value

    def load_state_dict(self, state_dict, strict=True, assign=False):
        return _IncompatibleKeys([], [])

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ):
        return None

    # --- Hooks -----------------------------------------------------------------------------------

    def _own_hooks(self, table):
        if table not in self.__dict__:
            setattr(self, table, OrderedDict())
        return getattr(self, table)

    def _add_hook(self, table, hook, prepend, with_kwargs):
        hooks = self._own_hooks(table)
        handle = RemovableHandle(hooks)
        others = list(hooks.items()) if prepend else []
        for key, _ in others:
            del hooks[key]
        hooks[handle.id] = hook
        hooks.update(others)
        if with_kwargs:
            self._own_hooks(table + "_with_kwargs")[handle.id] = True
        return handle

    def register_forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False):
        return self._add_hook("_forward_pre_hooks", hook, prepend, with_kwargs)

    def register_forward_hook(self, hook, *, prepend=False, with_kwargs=False, always_call=False):
        return self._add_hook("_forward_hooks", hook, prepend, with_kwargs)

    # Gradients and checkpoints are not followed, so these never run.

    def register_backward_hook(self, hook):
        return RemovableHandle({})

    def register_full_backward_hook(self, hook, prepend=False):
        return RemovableHandle({})

    def register_full_backward_pre_hook(self, hook, prepend=False):
        return RemovableHandle({})

    def _register_state_dict_hook(self, hook):
        return RemovableHandle({})

    def register_state_dict_pre_hook(self, hook):
        return RemovableHandle({})

    def register_state_dict_post_hook(self, hook):
        return RemovableHandle({})

    def _register_load_state_dict_pre_hook(self, hook, with_module=False):
        return RemovableHandle({})

    def register_load_state_dict_pre_hook(self, hook):
        return RemovableHandle({})

    def register_load_state_dict_post_hook(self, hook):
        return RemovableHandle({})

    # --- Showing ---------------------------------------------------------------------------------

    def _get_name(self):
        return self.__class__.__name__

    def extra_repr(self):
        return ""

    def __dir__(self):
        names = dir(self.__class__) + list(self.__dict__)
        names += list(self._parameters) + list(self._modules) + list(self._buffers)
        return sorted({name for name in names if name[:1] and not name[0].isdigit()})


import torch  # noqa: E402  (last, because torch itself imports this module)
