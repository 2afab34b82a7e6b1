"""The drivers made safe: what their sessions set, what they may do, and how they fail.

What opens or checks a session may import it.
"""
