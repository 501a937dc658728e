"""The subjects that `speed.py` measures, one a file, and what they share.

A subject is a module with `measure(options)`, which yields sections of the report: training, sampling, startup,
encoding, memory. It is imported, and PyTorch with it, only if it is chosen.
"""
