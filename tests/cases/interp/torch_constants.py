"""Small constant tensors are computed, so that sizes derived from them are known."""
import numpy as np
import torch

h = torch.cumprod(torch.tensor([2, 2, 3]), dim=0)
a1 = h.tolist()  # => [2, 4, 12]
c = torch.ceil(h**2 * 3 / 64).int() * 64
a2 = c.tolist()  # => [64, 64, 448]
scales = torch.cat([torch.tensor([[1, 1, 1, 3]]), torch.stack([torch.ones_like(h), h, h, c], dim=1)], dim=0)
a3 = scales.tolist()  # => [[1, 1, 1, 3], [1, 2, 2, 64], [1, 4, 4, 64], [1, 12, 12, 448]]
reduction = torch.prod(scales[:, :-1], dim=1).float()
a4 = reduction.tolist()  # => [1.0, 4.0, 16.0, 144.0]
ideal = torch.linspace(0, torch.log(torch.tensor(144)), 5)
cost = torch.abs(ideal.unsqueeze(1) - torch.log(reduction).unsqueeze(0))
a5 = cost  # => (5, 4)
a6 = torch.argmin(cost, dim=1).tolist()  # => [0, 1, 2, 2, 3]


def planned():
    places = torch.argmin(cost, dim=1)
    places[0] = 0
    places[-1] = scales.shape[0] - 1
    return scales[places]


plan = planned()
a7 = plan[:, 3].tolist()  # => [3, 64, 64, 64, 448]
a8 = [int(b[1] // a[1]) for a, b in zip(plan[:-1], plan[1:])]  # => [2, 2, 1, 3]
a9 = torch.nn.Linear(plan[0][3] * 4, plan[-1][3]).weight  # => (448, 12)
b1 = torch.sort(torch.tensor([3, 1, 2]), descending=True).values.tolist()  # => [3, 2, 1]
b2 = torch.topk(torch.tensor([3.0, 1.0, 2.0]), 2).indices.tolist()  # => [0, 2]
b3 = torch.argsort(torch.tensor([3, 1, 2])).tolist()  # => [1, 2, 0]
b4 = torch.argmax(torch.tensor([3, 1, 4])).item()  # => 2
b5 = torch.normal(0, 0.1, size=(7,))  # => (7,)
b6 = torch.normal(torch.zeros(2, 3), 1.0)  # => (2, 3)
b7 = torch.nn.Parameter(torch.normal(0.0, 0.1, (4, 2)))  # => (4, 2)
b8 = torch.full_like(h, h[-1]).tolist()  # => [12, 12, 12]
powers = (4 ** torch.arange(3)).tolist()  # => [1, 4, 16]
bytes_of = [torch.empty(1, dtype=kind).element_size() for kind in (torch.float8_e4m3fn, torch.int8, torch.float64, torch.bfloat16)]  # => [1, 1, 8, 2]

angles = [3 / np.power(10000, 2 * (j // 2) / 128) for j in range(128)]
slow_angles = [3 / np.power(10000, 2 * (j // 2) / 128) for j in (*range(128),)]
same_angles = angles == slow_angles  # => True
last_angle = angles[-1]  # => 0.0003464345954068375


def products(size):
    return np.einsum("m,d->md", np.arange(3.0), np.arange(size))


outer = torch.from_numpy(products(4)).float()  # => (3, 4)
lengths = torch.from_numpy(np.linalg.norm(products(4), axis=0))  # => (4,)
grid = torch.from_numpy(np.mgrid[0:3, 0:2].reshape(2, -1))  # => (2, 6)
drawn = torch.from_numpy(np.random.randn(3, 2))  # => (3, 2)
bounded = torch.from_numpy(np.random.uniform(0, 1, (2, 5)))  # => (2, 5)
number = np.random.rand()  # => unknown
bits = int(np.ceil(np.log2(9)))  # => 4


# A complex number times real ones.
turn = torch.tensor(-1j, dtype=torch.complex64) * 2.0
turned = (torch.exp(turn * torch.arange(4)[None, :] / 4)).real  # => (1, 4)
