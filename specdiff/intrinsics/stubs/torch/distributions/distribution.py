"""For ``isinstance`` and annotations."""


class Distribution:
    def __init__(self, batch_shape=(), event_shape=(), validate_args=None):
        self.batch_shape = batch_shape
        self.event_shape = event_shape
