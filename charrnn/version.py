"""The version of the package: of the source itself, whatever is installed under which name."""

VERSION = "0.2.0"
"""What `pyproject.toml`, `charrnn --version` and the metadata of checkpoints take from here."""
