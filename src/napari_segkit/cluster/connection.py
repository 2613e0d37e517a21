"""The connection to a Dask scheduler, and its errors in words for users."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask

from napari_segkit.arguments import given
from napari_segkit.config import ClusterConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

GPU = "GPU"  # the resource that workers with a graphics card announce
PACKAGE = 'pip install "napari-segkit[cluster]"'
UNKNOWN_NAME = "Can't get attribute"  # of pickle, where the worker's version lacks a name
DASK = {"distributed.admin.large-graph-warning-threshold": "1 TB"}  # blocks travel as tasks


@contextmanager
def connected(config: ClusterConfig) -> "Iterator[Client]":
    """A client of the scheduler, which no other Dask work uses; closed at the end."""
    _require_distributed(config)
    with dask.config.set(DASK):
        client = _connect(config)
        try:
            yield client
        finally:
            client.close(timeout=config.timeout)


def slots(client: "Client") -> tuple[dict[str, int], bool]:
    """How many blocks each worker predicts at once, and whether only those with a GPU do."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    cards = {a: int(w["resources"].get(GPU, 0)) for a, w in workers.items()}
    if any(cards.values()):
        return {address: count for address, count in cards.items() if count}, True
    return {address: worker["nthreads"] for address, worker in workers.items()}, False


def lost(config: ClusterConfig) -> ConnectionError:
    """The error of a scheduler that has gone."""
    return ConnectionError(
        f"The scheduler {config.scheduler} was lost during the prediction: start it and its "
        "workers again, and then the prediction."
    )


def worker_error(error: Exception, config: ClusterConfig) -> Exception:
    """The error of a block: its own, unless the worker or the scheduler is what failed."""
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    if isinstance(error, KilledWorker):
        return ChildProcessError(
            f"Several workers of {config.scheduler} ended while they predicted a block, which "
            "happens where memory runs out: give them more memory or fewer threads, or a smaller "
            "tile_size."
        )
    if isinstance(error, ImportError) or UNKNOWN_NAME in str(error):
        return ValueError(
            f"A worker of {config.scheduler} cannot load napari-segkit ({error}): install the same "
            "version on all workers."
        )
    return lost(config) if isinstance(error, FutureCancelledError) else error


def _require_distributed(config: ClusterConfig) -> None:
    """ValueError without the package.

    It is imported here, since settings of its own that it is given before go with all of them.
    """
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise ValueError(
            f"scheduler is {given(config.scheduler)}, which needs the package distributed: run "
            f"{PACKAGE}, or leave it out."
        ) from None


def _connect(config: ClusterConfig) -> "Client":
    from distributed import Client

    address = config.scheduler or ""
    is_file = Path(address).is_file()
    if address.lower().endswith(".json") and not is_file:
        raise ValueError(
            f"scheduler is {address}, and there is no such file: give the file that the scheduler "
            "writes, or its address."
        )
    begun: list[Client] = []

    class NotedClient(Client):
        """Known even if it fails to start.

        Left to the garbage collector, it may end while another one starts, and wait for it forever.
        """

        def start(self, **options: Any) -> Any:
            begun.append(self)
            return super().start(**options)  # type: ignore[no-untyped-call]

    try:
        return NotedClient(  # type: ignore[no-untyped-call]
            None if is_file else address,
            scheduler_file=address if is_file else None,
            timeout=config.timeout,
            set_as_default=False,
            name="napari-segkit",
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        for client in begun:
            client.close(timeout=config.timeout)
        raise _not_connected(error, config) from error


def _not_connected(error: Exception, config: ClusterConfig) -> Exception:
    """The error of an address at which no scheduler answers, or that is none."""
    if isinstance(error, OSError):  # a TimeoutError is one
        return ConnectionError(
            f"The scheduler {config.scheduler} does not answer within {config.timeout:g} s: see "
            "whether it runs and this machine reaches it, or give another address."
        )
    return ValueError(
        f"scheduler is {given(config.scheduler)}: give an address such as 'tcp://10.0.0.5:8786', "
        "or the JSON file that the scheduler writes."
    )
