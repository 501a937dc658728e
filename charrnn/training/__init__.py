"""Training: from a corpus and options to a model. The trainer yields its progress and touches no file."""
