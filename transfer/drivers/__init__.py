"""The drivers made safe: what their sessions set, what they may read, how they fail; imports errors, and only the two clients need it, and what checks a session."""
