"""The exact copy in the local MySQL, with its bookkeeping.

Journey, tasks and flows may import it, source and warehouse never.
"""
