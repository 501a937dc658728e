"""Inspection: what a checkpoint is and what it has learned, as plain data; one view a file, all listed in `views`."""
