"""xformers as models use it: attention over packed sequences."""
