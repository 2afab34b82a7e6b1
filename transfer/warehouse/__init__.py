"""`raw` and `public` in PostgreSQL with their bookkeeping.

Changes, journey, tasks and flows may import it, source and replica never.
"""
