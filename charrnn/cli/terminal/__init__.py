"""The terminal: notices, charts, heatmaps and tables."""
