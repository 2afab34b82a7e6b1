"""How rows move: source MySQL → replica MySQL → PostgreSQL `raw` → `public`, in plain Python.

Tasks and flows may import it.
"""
