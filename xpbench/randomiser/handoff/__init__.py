"""Hand-off: what a codeless CMS or CDP needs to show the variants that the hash gives.

================  ==========================================
folder            all of it in one folder
audience          lists of units, one file a variant
javascript        the randomiser as a script
sql               the randomiser as an expression
tag               one script for a page, from id to exposure
presets           what well-known receivers of lists ask for
responsibilities  who does what, on one page
================  ==========================================
"""
