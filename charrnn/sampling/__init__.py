"""Sampling: text drawn from a model, character by character."""
