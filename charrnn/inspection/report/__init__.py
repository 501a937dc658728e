"""The report: the page about some models, its templates, styles and script."""
