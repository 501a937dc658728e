"""Inspection: what a checkpoint is and what it has learned, as JSON data, one view a function.

Each view returns dictionaries, lists, numbers and text.
"""
