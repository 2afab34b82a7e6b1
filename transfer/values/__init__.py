"""The values that travel between the rooms, and names as they may be shown: imports nothing of ours, any room may import it."""
