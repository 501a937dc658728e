"""What `speed.py` measures: a file for each subject, and one for each thing that the subjects share.

A subject is a module with `measure(options)`, which yields sections of the report: training, sampling, startup,
encoding, memory. It is imported, and PyTorch with it, only where it is wanted.
"""
