"""`charrnn train`: its options, and the start, the progress and the summary of a run."""
