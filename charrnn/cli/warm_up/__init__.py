"""`charrnn warm-up`: what is compiled, and the cache that keeps it."""
