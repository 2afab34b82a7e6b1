"""What Prefect retries, caches, times and shows, for flows to import.

Imported first, it keeps Prefect offline and its settings ours.
"""

from tasks import surroundings
from tasks.surroundings import RESULTS

__all__ = ["RESULTS"]

surroundings.settle()
