"""What a process has cost so far. In: a process id. Out: CPU seconds and resident memory, from the kernel. Never here: a load."""

import contextlib
import pathlib


def cpu(pid: int) -> float:
    """Seconds that all threads of a process have run, as the scheduler counts them (finer than `utime`)."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def rss(pid: int) -> float:
    """Resident MiB."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
