"""How each type crosses and how a table is laid out.

All rooms that read, write or compare rows may import it.
"""
