"""Scoring: how well a model expects a text."""
