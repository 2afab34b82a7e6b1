"""How a run's end reaches people: what is said, to whom, and what they know already.

Only flows import it. It imports Apprise and the way to a web page where there is something to tell.
"""
