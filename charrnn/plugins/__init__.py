"""The plugins: charrnn inside other programs, a module for each; only that program imports it."""
