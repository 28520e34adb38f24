"""A back end that is not there; its switches change nothing."""

enabled = True
allow_tf32 = True
deterministic = False
benchmark = False


def is_available():
    return False


def version():
    return None


class flags:
    def __init__(self, **kwargs):
        pass

    def __enter__(self):
        return None

    def __exit__(self, *args):
        return None
