"""The checkpoint: files that hold a model and its training, crash-safe to write and distrustful to read."""
