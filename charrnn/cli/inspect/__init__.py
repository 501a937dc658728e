"""`charrnn inspect`."""
