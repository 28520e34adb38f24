"""An accelerator that is not there."""


def is_available():
    return False


def device_count():
    return 0


def is_bf16_supported(including_emulation=True):
    return False


def is_current_stream_capturing():
    return False


def synchronize(device=None):
    return None


def empty_cache():
    return None


def manual_seed(seed):
    return None


def current_allocated_memory():
    return 0
