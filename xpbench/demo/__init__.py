"""The running example: a simulated insurance platform that tests a beta homepage, with known true effects."""
