"""The command `export`: a page that writes."""
