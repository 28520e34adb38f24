"""No accelerator back end."""

from . import cpu, cuda, cudnn, mkldnn, mps, opt_einsum

fp32_precision = "none"
