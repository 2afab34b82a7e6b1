"""`raw` and `public` in PostgreSQL with their bookkeeping; changes, journey, tasks and flows may import it, source and replica never."""
