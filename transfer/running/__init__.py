"""Work that waits, overlaps and can be stopped.

What works with a server, or tries that again, may import it.
"""
