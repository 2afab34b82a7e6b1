"""The exact copy in the local MySQL with its bookkeeping; journey, tasks and flows may import it, source and warehouse never."""
