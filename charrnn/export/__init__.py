"""Export: a model in the formats of other programs, such as a browser; each is an entry of `formats`."""
