"""A back end that is not there; its switches change nothing."""


class _Matmul:
    allow_tf32 = False
    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True
    fp32_precision = "none"


matmul = _Matmul()


class sdp_kernel:
    def __init__(self, *args, **kwargs):
        pass

    def __enter__(self):
        return None

    def __exit__(self, *args):
        return None


def is_built():
    return False


def flash_sdp_enabled():
    return True


def mem_efficient_sdp_enabled():
    return True


def math_sdp_enabled():
    return True


def cudnn_sdp_enabled():
    return True


def enable_flash_sdp(enabled):
    return None


def enable_mem_efficient_sdp(enabled):
    return None


def enable_math_sdp(enabled):
    return None


def enable_cudnn_sdp(enabled):
    return None
