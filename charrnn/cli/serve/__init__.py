"""`charrnn serve`."""
