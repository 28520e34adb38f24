"""Mixed precision under its older name."""

from ..amp.autocast_mode import autocast, custom_bwd, custom_fwd
from ..amp.grad_scaler import GradScaler
