"""The practice's numbers as a page, and the catalogue and documentation of the models.

Only the main flow may import it, which draws the page after a build.
"""
