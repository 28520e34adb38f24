"""Data sets over processes."""


class DistributedSampler:
    def __init__(self, dataset, *args, **kwargs):
        self.dataset = dataset
