"""fairscale's model-parallel layers as one process builds them."""
