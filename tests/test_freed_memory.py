"""Memory that is freed within a computation is used again by its next step."""

import subprocess
import sys
from threading import Thread

import numpy as np
import pytest

from napari_segkit.freed_memory import keeping_freed_memory, share_heap

resource = pytest.importorskip("resource")
BLOCK = 48 * 2**20
PAGES = BLOCK // resource.getpagesize()
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="other allocators are left alone")


def new_pages(size: int = BLOCK) -> int:
    """How many pages the system has to give for a block that was allocated and freed before."""
    np.ones(size, np.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(size, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@linux_only
def test_freed_blocks_are_used_again():
    with keeping_freed_memory():
        assert new_pages() < PAGES / 10


@linux_only
def test_nested_computations_keep_memory_until_the_last_one_ends():
    with keeping_freed_memory():
        with keeping_freed_memory():
            pass
        assert new_pages() < PAGES / 10


@linux_only
def test_later_work_is_not_slower():
    with keeping_freed_memory():
        pass
    assert new_pages(BLOCK // 3) < PAGES / 30  # as glibc itself does for blocks of this size


GIVEN_BACK = f"""
import numpy as np
from napari_segkit.freed_memory import giving_back_freed_memory, keeping_freed_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])

before = resident()
with keeping_freed_memory():
    np.ones(10 * {BLOCK}, np.uint8)
    assert resident() > before + 5 * {PAGES}
assert resident() < before + {PAGES}

def left(blocks):
    del blocks[:-1]
    return resident() - before

def ones():
    return [np.ones({BLOCK} // 16, np.uint8) for _ in range(5 * 16)]

kept = ones()
assert left(kept) > 4 * {PAGES}  # below the last block
del kept
with giving_back_freed_memory():
    others = ones()
    assert left(others) < {PAGES}
"""


@linux_only
def test_memory_is_given_back_at_the_end_and_where_it_is_asked_for():
    subprocess.run([sys.executable, "-c", GIVEN_BACK], check=True, timeout=60)


@linux_only
def test_a_thread_that_is_started_later_keeps_its_memory():
    counts = []

    def work():
        with keeping_freed_memory():
            counts.append(new_pages())

    share_heap()
    thread = Thread(target=work)
    thread.start()
    thread.join()
    assert counts[0] < PAGES / 10
