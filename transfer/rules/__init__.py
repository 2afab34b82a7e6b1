"""How each type crosses and how a table is laid out; whoever reads, writes or compares rows may
import it.
"""
