"""Training: from a corpus and options to a model; it yields its progress and touches no file."""
