"""Batches of sequences of different lengths."""

import torch
from torch.nn import functional as F


class PackedSequence:
    """Kept as it was before packing, time first: (sequence, batch, …)."""

    def __init__(self, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        self.data = data
        self.batch_sizes = batch_sizes
        self.sorted_indices = sorted_indices
        self.unsorted_indices = unsorted_indices

    def to(self, *args, **kwargs):
        return self

    def cpu(self):
        return self

    def cuda(self, *args, **kwargs):
        return self


def pack_padded_sequence(input, lengths, batch_first=False, enforce_sorted=True):
    return PackedSequence(input.transpose(0, 1) if batch_first else input, lengths)


def pad_packed_sequence(sequence, batch_first=False, padding_value=0.0, total_length=None):
    data = sequence.data
    return data.transpose(0, 1) if batch_first else data, sequence.batch_sizes


def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    longest = max([sequence.shape[0] for sequence in sequences])
    padded = []
    for sequence in sequences:
        missing = longest - sequence.shape[0]
        edge = (missing, 0) if padding_side == "left" else (0, missing)
        padded.append(F.pad(sequence, (0, 0) * (sequence.dim() - 1) + edge, value=padding_value))
    return torch.stack(padded, dim=0 if batch_first else 1)


def unpad_sequence(padded_sequences, lengths, batch_first=False):
    return list(padded_sequences.unbind(0 if batch_first else 1))


def pack_sequence(sequences, enforce_sorted=True):
    return PackedSequence(pad_sequence(sequences))
