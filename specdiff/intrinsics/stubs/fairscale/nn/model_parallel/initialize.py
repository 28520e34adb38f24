"""Process groups: one process."""


def initialize_model_parallel(*args, **kwargs):
    pass


def model_parallel_is_initialized():
    return True


def destroy_model_parallel():
    pass


def get_model_parallel_group():
    return None


def get_data_parallel_group():
    return None


def get_pipeline_parallel_group():
    return None


def get_context_parallel_world_size():
    return 1


def get_context_parallel_rank():
    return 0


def get_model_parallel_world_size():
    return 1


def get_model_parallel_rank():
    return 0


def get_model_parallel_src_rank():
    return 0


def get_data_parallel_world_size():
    return 1


def get_data_parallel_rank():
    return 0
