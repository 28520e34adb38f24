"""Data sets; nothing is loaded."""

from . import distributed


class Dataset:
    def __getitem__(self, index):
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other):
        return self


class IterableDataset(Dataset):
    pass


class TensorDataset(Dataset):
    def __init__(self, *tensors):
        self.tensors = tensors

    def __getitem__(self, index):
        return tuple(tensor[index] for tensor in self.tensors)


class Sampler:
    def __init__(self, data_source=None):
        pass


class RandomSampler(Sampler):
    pass


class SequentialSampler(Sampler):
    pass


class DataLoader:
    def __init__(self, dataset, *args, **kwargs):
        self.dataset = dataset


def default_collate(batch):
    return batch


def get_worker_info():
    return None
