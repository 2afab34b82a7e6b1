"""One table's way from evidence to proof, and what comes before and after it, in plain Python: imports every room of transfer, and tasks and flows import it."""
