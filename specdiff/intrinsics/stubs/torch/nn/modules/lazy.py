"""Layers whose sizes come with their first input; here they stay unmaterialised."""

from ..parameter import is_lazy


class LazyModuleMixin:
    cls_to_become = None

    def has_uninitialized_params(self):
        return any(is_lazy(param) for param in self._parameters.values())

    def initialize_parameters(self, *args, **kwargs):
        return None
