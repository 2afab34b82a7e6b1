"""Memory that pages took goes back to the system.

A process of its own shows it: what other tests took would hide it.
"""

import subprocess
import sys

FILL_AND_FREE = """
from pathlib import Path
import pyarrow as pa
from transfer.running.memory import give_back

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

give_back()
before = resident()
large = bytearray(30 * 2**20)
del large  # from then on glibc by itself would keep what is smaller
pages = [bytearray(b"x" * 2**22) for _ in range(20)]
last = bytes(100_000)
del pages
pages = [pa.array([b"x" * 1_000] * 4_000) for _ in range(20)]
assert resident() - before > 70_000_000
del pages
print(resident() - before)
"""


def test_pages_that_are_freed_are_given_back_to_the_system():
    done = subprocess.run(
        [sys.executable, "-c", FILL_AND_FREE],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    assert int(done.stdout) < 20_000_000
