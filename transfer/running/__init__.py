"""Work that waits, overlaps and can be stopped; whoever works with a server, or retries that, may import it."""
