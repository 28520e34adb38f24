"""Holds a checkpoint's headers against a model's parameter tree; no tensor data is ever read."""
