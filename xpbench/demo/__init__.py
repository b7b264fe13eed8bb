"""The running example: a simulated insurance platform that tests a beta homepage, with known true effects.

==========  ======================================================
simulation  events with the true effect of every metric planted
run         the whole flow, and how near the truth it came
page        its homepage with the tag, for a browser
story       the first run and the second, as the notebooks tell it
==========  ======================================================
"""
