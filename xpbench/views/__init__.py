"""Charts, tables and cards: static or Vega-Lite through our own MIME bundle, each with a takeaway, alt text and a table.

Views know plain results only: rows of a readout, health checks, a plan. They hold no rows of data and no widget.
"""
