"""The commands of the command line that concern plans and experiments; rooms with commands of their own keep them."""
