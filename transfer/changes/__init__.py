"""What changed, what is to be verified, and how long that is expected to take; journey and flows
may import it.
"""
