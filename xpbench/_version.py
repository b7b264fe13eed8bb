"""The version of the package, for the package's own use: nothing imports the lazy face for it."""

__version__ = "0.1.0"
