"""What values of a file mean, once for every column role, source and engine: nothing, truth, names, numbers, times.

Each module has the meaning as Python over one text, and where a whole column is read by an engine the same as SQL; tests hold
the two against each other. Nothing here reads a file.
"""
