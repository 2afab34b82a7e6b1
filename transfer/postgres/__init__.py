"""The client of PostgreSQL, which knows no place; the warehouse, changes, journey and tasks may import it."""
