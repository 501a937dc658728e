"""`charrnn train`."""
