"""What people see of a run where they started it; only flows may import it."""
