"""One table's way from evidence to proof, with what comes before the first and after the last,
usable without Prefect; tasks and flows may import it.
"""
