"""Walks over a module's parts, as torch 2.13 gives them."""
import copy
import itertools

import torch
from torch import nn


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.rest = nn.Sequential(nn.Linear(8, 8, bias=False), nn.ReLU(), nn.Linear(8, 2))
        self.again = self.first
        self.register_buffer("scale", torch.ones(3))


class Own(Tower):
    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
        for name, value in super().named_parameters(prefix, recurse, remove_duplicate):
            yield "own." + name, value

    def children(self):
        return iter([self.first])


tower, own = Tower(), Own()
a1 = list(dict(tower.named_parameters()))  # => ['first.weight', 'first.bias', 'rest.0.weight', 'rest.2.weight', 'rest.2.bias']
a2 = [name for name, _ in tower.named_parameters(remove_duplicate=False)]  # => ['first.weight', 'first.bias', 'rest.0.weight', 'rest.2.weight', 'rest.2.bias', 'again.weight', 'again.bias']
a3 = sum(p.numel() for p in tower.parameters())  # => 122
a4 = [name for name, _ in tower.named_modules()]  # => ['', 'first', 'rest', 'rest.0', 'rest.1', 'rest.2']
a5 = [name for name, _ in tower.named_modules(prefix="t", remove_duplicate=False)]  # => ['t', 't.first', 't.rest', 't.rest.0', 't.rest.1', 't.rest.2', 't.again']
a6 = [type(m).__name__ for m in tower.children()]  # => ['Linear', 'Sequential']
a7 = [name for name, _ in tower.named_children()]  # => ['first', 'rest']
a8 = len([*tower.modules()])  # => 6
a9 = next(tower.parameters()).shape  # => (8, 4)
b1 = [tuple(p.shape) for p in itertools.chain(tower.first.parameters(), tower.rest.parameters())]  # => [(8, 4), (8,), (8, 8), (2, 8), (2,)]
b2 = [(n, tuple(q.shape)) for (n, p), q in zip(tower.first.named_parameters(), own.first.parameters())]  # => [('weight', (8, 4)), ('bias', (8,))]
b3 = len(list(nn.Sequential(*list(tower.rest.children())[:-1])))  # => 2
b4 = len(nn.Sequential(*tower.rest.children()))  # => 3
b5 = [index for index, m in enumerate(tower.modules()) if isinstance(m, nn.Linear)]  # => [1, 3, 5]
b6 = len(set(tower.parameters()))  # => 5
b7 = [name for name, _ in tower.named_buffers()]  # => ['scale']
b8 = len(list(filter(lambda p: p.dim() == 1, tower.parameters())))  # => 2
b9 = list(map(lambda item: item[0], own.named_parameters()))  # => ['own.first.weight', 'own.first.bias', 'own.rest.0.weight', 'own.rest.2.weight', 'own.rest.2.bias']
c1 = [tuple(p.shape) for p in own.parameters()]  # => [(8, 4), (8,), (8, 8), (2, 8), (2,)]
c2 = len(list(own.children()))  # => 1
c3 = any(isinstance(m, nn.ReLU) for m in tower.modules())  # => True
c4 = max(p.numel() for p in tower.parameters())  # => 64
c5 = sorted(name for name, _ in tower.named_children())  # => ['first', 'rest']
c6 = list(reversed(list(tower.rest.named_children())))[0][0]  # => '2'
c7 = len(list(copy.deepcopy(tower).parameters()))  # => 5
c8 = tower.children().__next__() is tower.first  # => True
c9 = [name for name, _ in tower.named_parameters(recurse=False)]  # => []
d1 = next(iter(tower.named_modules()))[0]  # => ''
d2 = tuple(tower.rest.children())[1].__class__.__name__  # => 'ReLU'
d3 = len(list(zip(*tower.named_parameters())))  # => 2
d4 = all(p.requires_grad for p in tower.parameters())  # => True
d5 = {name: p.numel() for name, p in tower.named_parameters()}["rest.2.bias"]  # => 2
