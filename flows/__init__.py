"""The order of things; nothing of ours may import it."""
