"""No accelerator."""


def is_available():
    return False


def current_accelerator(check_available=False):
    return None


def device_count():
    return 0


def synchronize(device=None):
    return None


def memory_allocated(device=None):
    return 0


def memory_reserved(device=None):
    return 0
