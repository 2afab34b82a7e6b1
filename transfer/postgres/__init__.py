"""The client of PostgreSQL, which knows no place.

The warehouse, changes, journey and tasks may import it.
"""
