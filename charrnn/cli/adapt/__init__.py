"""`charrnn adapt`."""
