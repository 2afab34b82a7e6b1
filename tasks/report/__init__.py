"""The practice's numbers as a page, and the catalogue and documentation of the models.

No run needs it, so nothing of ours may import it.
"""
