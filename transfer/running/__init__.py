"""Threads and processes at work: reading ahead, waiting for servers, stopping; imports settings, errors and the drivers, any room above may import it."""
