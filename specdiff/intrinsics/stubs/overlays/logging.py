"""A logger that says nothing; also an exit stack that does nothing."""


class Logger:
    def __getattr__(self, name):
        return self._nothing

    def _nothing(self, *args, **kwargs):
        return None

    def __enter__(self):
        return self

    def __exit__(self, *args):
        return False
