"""`charrnn tag`: a tag for each character of each line, and how good a tagger is."""
