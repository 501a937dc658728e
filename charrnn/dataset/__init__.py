"""The data: files become text, text becomes ids, ids become batches; one module for each layout."""
