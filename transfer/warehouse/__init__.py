"""`raw`, `public` and their bookkeeping in PostgreSQL: imports the clients, never source or replica; changes, the journey and what reports may import it."""
