"""The checkpoint: files that hold a model and its training state, written crash-safely and read with distrust."""
