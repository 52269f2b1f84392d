"""`make bench`: the product and its peers, measured side by side, in one run, in turns.

Nothing that serves imports this package.
"""
