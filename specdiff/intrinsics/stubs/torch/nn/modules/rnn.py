"""Recurrent layers.

``forward`` carries every weight and gives outputs of the right shape: each layer takes one step from its initial
state for all positions at once, so positions do not depend on each other as they do in truth.
"""

import torch
from torch.nn import functional as F

from ..parameter import Parameter
from ..utils.rnn import PackedSequence
from .module import Module


def _lstm_step(gates, cell):
    i, f, g, o = gates.chunk(4, -1)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def _gru_step(inputs, hiddens, hidden):
    input_r, input_z, input_n = inputs.chunk(3, -1)
    hidden_r, hidden_z, hidden_n = hiddens.chunk(3, -1)
    update = torch.sigmoid(input_z + hidden_z)
    new = torch.tanh(input_n + torch.sigmoid(input_r + hidden_r) * hidden_n)
    return (1 - update) * new + update * hidden


class RNNBase(Module):
    def __init__(
        self,
        mode,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        proj_size=0,
        device=None,
        dtype=None,
    ):
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        directions = 2 if bidirectional else 1
        if isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
            )
        if not isinstance(hidden_size, int):
            raise TypeError(f"hidden_size should be of type int, got: {type(hidden_size).__name__}")
        if hidden_size <= 0:
            raise ValueError("hidden_size must be greater than zero")
        if num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if proj_size >= hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        gates = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}.get(mode)
        if gates is None:
            raise ValueError("Unrecognized RNN mode: " + mode)
        rows = gates * hidden_size
        width = proj_size if proj_size > 0 else hidden_size
        self._flat_weights_names = []
        self._all_weights = []
        for layer in range(num_layers):
            for direction in range(directions):
                suffix = f"_l{layer}" + ("_reverse" if direction == 1 else "")
                shapes = {
                    "weight_ih" + suffix: (rows, input_size if layer == 0 else width * directions),
                    "weight_hh" + suffix: (rows, width),
                }
                if bias:
                    shapes["bias_ih" + suffix] = (rows,)
                    shapes["bias_hh" + suffix] = (rows,)
                if proj_size > 0:
                    shapes["weight_hr" + suffix] = (proj_size, hidden_size)
                for name, shape in shapes.items():
                    setattr(self, name, Parameter(torch.empty(shape, device=device, dtype=dtype)))
                self._flat_weights_names.extend(shapes)
                self._all_weights.append(list(shapes))
        self.flatten_parameters()
        self.reset_parameters()

    def flatten_parameters(self):
        return None

    def reset_parameters(self):
        return None

    @property
    def all_weights(self):
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights(self):
        return [getattr(self, name) for name in self._flat_weights_names]

    def _step(self, input, names, hidden, cell):
        """One direction of one layer, (…, batch, width) in and out, and the last cell state."""
        weights = [getattr(self, name) for name in names]
        bias_ih, bias_hh = weights[2:4] if self.bias else (None, None)
        inputs = F.linear(input, weights[0], bias_ih)
        hiddens = F.linear(hidden, weights[1], bias_hh)
        if self.mode == "GRU":
            return _gru_step(inputs, hiddens, hidden), None
        if self.mode == "LSTM":
            output, cell = _lstm_step(inputs + hiddens, cell)
            return F.linear(output, weights[-1]) if self.proj_size > 0 else output, cell
        return F.relu(inputs + hiddens) if self.mode == "RNN_RELU" else torch.tanh(inputs + hiddens), None

    def forward(self, input, hx=None):
        packed = input if isinstance(input, PackedSequence) else None
        if packed is not None:
            input = packed.data
        batched = input.dim() == 3
        if not batched:
            input = input.unsqueeze(1)
            if hx is not None:
                hx = tuple(state.unsqueeze(1) for state in hx) if self.mode == "LSTM" else hx.unsqueeze(1)
        elif self.batch_first and packed is None:
            input = input.transpose(0, 1)
        directions = 2 if self.bidirectional else 1
        batch = input.shape[1]
        count = self.num_layers * directions
        if hx is not None:
            hidden, cell = hx if self.mode == "LSTM" else (hx, None)
        else:
            hidden = torch.zeros((count, batch, self.proj_size or self.hidden_size), dtype=input.dtype)
            cell = torch.zeros((count, batch, self.hidden_size), dtype=input.dtype)
        last_hidden, last_cell = [], []
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(directions):
                index = layer * directions + direction
                state = None if cell is None else cell[index]
                output, state = self._step(input, self._all_weights[index], hidden[index], state)
                outputs.append(output)
                end = 0 if direction == 1 else -1
                last_hidden.append(output[end])
                if state is not None:
                    last_cell.append(state[end])
            input = torch.cat(outputs, dim=-1) if directions == 2 else outputs[0]
            if self.dropout > 0 and self.training and layer < self.num_layers - 1:
                input = F.dropout(input, self.dropout)
        final = torch.stack(last_hidden)
        finals = (final, torch.stack(last_cell)) if self.mode == "LSTM" else final
        if packed is not None:
            return PackedSequence(input, packed.batch_sizes), finals
        if not batched:
            finals = tuple(state.squeeze(1) for state in finals) if self.mode == "LSTM" else finals.squeeze(1)
            return input.squeeze(1), finals
        return input.transpose(0, 1) if self.batch_first else input, finals

    def extra_repr(self):
        return f"{self.input_size}, {self.hidden_size}"


class RNN(RNNBase):
    def __init__(self, *args, **kwargs):
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            self.nonlinearity = args[3]
            args = args[:3] + args[4:]
        else:
            self.nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{self.nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__("RNN_TANH" if self.nonlinearity == "tanh" else "RNN_RELU", *args, **kwargs)


class LSTM(RNNBase):
    def __init__(self, *args, **kwargs):
        super().__init__("LSTM", *args, **kwargs)


class GRU(RNNBase):
    def __init__(self, *args, **kwargs):
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)


class RNNCellBase(Module):
    def __init__(self, input_size, hidden_size, bias, num_chunks, device=None, dtype=None):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(torch.empty((rows, input_size), device=device, dtype=dtype))
        self.weight_hh = Parameter(torch.empty((rows, hidden_size), device=device, dtype=dtype))
        if bias:
            self.bias_ih = Parameter(torch.empty(rows, device=device, dtype=dtype))
            self.bias_hh = Parameter(torch.empty(rows, device=device, dtype=dtype))
        else:
            self.register_parameter("bias_ih", None)
            self.register_parameter("bias_hh", None)
        self.reset_parameters()

    def reset_parameters(self):
        return None

    def _zeros(self, input):
        return torch.zeros((*input.shape[:-1], self.hidden_size), dtype=input.dtype)

    def _gates(self, input, hidden):
        return F.linear(input, self.weight_ih, self.bias_ih), F.linear(hidden, self.weight_hh, self.bias_hh)


class RNNCell(RNNCellBase):
    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, num_chunks=1, device=device, dtype=dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input, hx=None):
        inputs, hiddens = self._gates(input, self._zeros(input) if hx is None else hx)
        if self.nonlinearity == "tanh":
            return torch.tanh(inputs + hiddens)
        if self.nonlinearity == "relu":
            return F.relu(inputs + hiddens)
        raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")


class LSTMCell(RNNCellBase):
    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, num_chunks=4, device=device, dtype=dtype)

    def forward(self, input, hx=None):
        hidden, cell = (self._zeros(input), self._zeros(input)) if hx is None else hx
        inputs, hiddens = self._gates(input, hidden)
        return _lstm_step(inputs + hiddens, cell)


class GRUCell(RNNCellBase):
    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, num_chunks=3, device=device, dtype=dtype)

    def forward(self, input, hx=None):
        hidden = self._zeros(input) if hx is None else hx
        return _gru_step(*self._gates(input, hidden), hidden)
