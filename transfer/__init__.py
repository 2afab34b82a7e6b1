"""How rows move: source MySQL → replica MySQL → PostgreSQL `raw` → `public`, in plain Python; tasks
and flows may import it.
"""
