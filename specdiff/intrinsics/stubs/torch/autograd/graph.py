"""What is kept for gradients."""


class saved_tensors_hooks:
    def __init__(self, pack_hook, unpack_hook):
        pass

    def __enter__(self):
        return None

    def __exit__(self, *args):
        return None


class save_on_cpu(saved_tensors_hooks):
    def __init__(self, pin_memory=False, device_type="cuda"):
        pass


class Node:
    pass
