"""The subjects that `speed.py` measures, one per file, and the modules that they share.

A subject is a module with `measure(options)`, which yields sections of the report: training, sampling, startup,
encoding, memory. It is imported, and PyTorch with it, only if it is selected.
"""
