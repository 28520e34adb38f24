"""A single process: collective operations leave tensors as they are."""

from . import fsdp, nn, tensor


class ProcessGroup:
    pass


class Work:
    def wait(self, timeout=None):
        return True


class ReduceOp:
    SUM = "sum"
    AVG = "avg"
    PRODUCT = "product"
    MIN = "min"
    MAX = "max"


class group:
    WORLD = None


class DeviceMesh:
    pass


def is_available():
    return False


def is_initialized():
    return False


def is_torchelastic_launched():
    return False


def is_nccl_available():
    return False


def get_world_size(group=None):
    return 1


def get_rank(group=None):
    return 0


def get_backend(group=None):
    return "gloo"


def new_group(*args, **kwargs):
    return None


def init_process_group(*args, **kwargs):
    return None


def destroy_process_group(group=None):
    return None


def all_reduce(tensor, op=None, group=None, async_op=False):
    return Work() if async_op else None


def reduce(tensor, dst=None, op=None, group=None, async_op=False):
    return Work() if async_op else None


def broadcast(tensor, src=None, group=None, async_op=False):
    return Work() if async_op else None


def all_gather(tensor_list, tensor, group=None, async_op=False):
    for index in range(len(tensor_list)):
        tensor_list[index] = tensor
    return Work() if async_op else None


def all_gather_into_tensor(output_tensor, input_tensor, group=None, async_op=False):
    output_tensor.copy_(input_tensor)
    return Work() if async_op else None


def barrier(group=None, async_op=False, device_ids=None):
    return None
