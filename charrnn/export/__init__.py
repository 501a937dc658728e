"""The export: a model in the forms that other programs and other people use; each is an entry of `formats`."""
