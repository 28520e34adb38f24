"""Initialisers are modelled natively."""
