"""What errors say, a file for each room; `xpbench.errors.catalogue` is the index of them all.

A new message goes into the file of its room under the next free code. Codes are never used again for something else: people
search for them.
"""
