"""The page that writes: one HTML file, with a model's weights and the script that computes with them."""
