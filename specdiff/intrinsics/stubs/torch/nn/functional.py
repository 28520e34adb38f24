"""Functions are modelled natively."""
