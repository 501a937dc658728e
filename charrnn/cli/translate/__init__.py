"""`charrnn translate`: rewrites each line of a text with a model of pairs."""
