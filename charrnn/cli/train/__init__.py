"""`charrnn train`: the options, the start of a run, its progress, and its summary."""
