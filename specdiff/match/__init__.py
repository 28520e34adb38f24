"""Claims held against facts; knows nothing of how either was made or will be shown."""
