"""The model: a network of layers with its weights and vocabulary."""
