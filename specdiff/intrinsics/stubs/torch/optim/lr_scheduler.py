"""Learning rates."""


class LRScheduler:
    def __init__(self, optimizer, *args, **kwargs):
        self.optimizer = optimizer

    def step(self, epoch=None):
        return None


class LambdaLR(LRScheduler):
    pass


class ReduceLROnPlateau(LRScheduler):
    pass
