"""The values that travel between the rooms, and text as it may be shown; imports nothing of ours,
any room may import it.
"""
