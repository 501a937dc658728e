"""`charrnn classify`: the label of each line, and how good a classifier is."""
