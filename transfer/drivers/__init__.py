"""The drivers made safe: what their sessions set, what they may do, how they fail; whoever opens or checks a session may import it."""
