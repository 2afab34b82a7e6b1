"""The clinic's OpenDental database, which is only ever read.

Journey and tasks may import it, replica and warehouse never.
"""
