"""Tools for assistants, through the real protocol client."""
