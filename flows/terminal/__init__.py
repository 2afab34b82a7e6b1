"""What people see of a run where they started it: imports tasks and transfer, and only the flows import it."""
