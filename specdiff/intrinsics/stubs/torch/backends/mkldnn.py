"""A back end that is not there."""

enabled = False


def is_available():
    return False
