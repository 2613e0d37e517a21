"""The blocks that are under way on the workers of a cluster."""

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from uuid import uuid4

from napari_segkit.config import ClusterConfig
from napari_segkit.inference.plan import TilePlan
from napari_segkit.tiling import Cell
from napari_segkit.trained_model import TrainedModel
from napari_segkit.versions import versions

from .block import block_of
from .connection import GPU, lost, slots, worker_error
from .worker import WorkerRecord, bytes_of, keep, predict_on_worker

if TYPE_CHECKING:
    from distributed import Client, Future

AHEAD = 2  # blocks for each that a worker predicts, so that it need not wait for the next
AT_LEAST = 8  # blocks that wait for the first workers: a cluster may start them for tasks only
PATIENCE = 0.5  # seconds without news after which a person may stop it


class Part(NamedTuple):
    """Cells of a frame, or tiles as one cell."""

    frame: dict[str, int]
    cells: list[Cell]


class Tasks:
    """Blocks of a model on their way; at the end of ``with`` those that are not done are dropped.

    `workers` gets the device of each worker that predicted a block, by its address.
    """

    def __init__(
        self,
        client: "Client",
        config: ClusterConfig,
        model: TrainedModel,
        workers: dict[str, str],
    ) -> None:
        self._client, self._config = client, config
        self._name, self._submitted = f"segkit-{uuid4().hex}", 0
        self._model = client.submit(keep, bytes_of(model), key=f"{self._name}-model")
        self._parts: dict[Future[Any], tuple[Part, str]] = {}  # and the worker it was offered
        self._done: SimpleQueue[Future[Any]] = SimpleQueue()
        self._workers = workers
        self._told: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Exception):  # of a client whose scheduler is lost
            for future in [*self._parts, self._model]:
                future.cancel()
        self._parts.clear()

    def __len__(self) -> int:
        return len(self._parts)

    def room(self) -> int:
        """How many more blocks keep the workers busy."""
        return max(AT_LEAST, AHEAD * sum(self._slots()[0].values())) - len(self)

    def submit(self, plan: TilePlan, part: Part, *, probabilities: bool) -> None:
        """Send a block; its pixels are read now."""
        block = block_of(plan, part.frame, part.cells, probabilities=probabilities)
        workers, are_cards = self._slots()
        offered = self._least_busy(workers)
        self._submitted += 1
        future = self._client.submit(
            predict_on_worker,
            self._model,
            block,
            self._config.worker_threads,
            versions(),
            key=f"{self._name}-{self._submitted}",
            resources={GPU: 1} if are_cards else None,
            workers=offered or None,  # else all go where the model is first
            allow_other_workers=bool(offered),
        )
        self._parts[future] = part, offered
        future.add_done_callback(self._done.put)

    def completed(self) -> Iterator[tuple[Part, Any]]:
        """The blocks that are ready and what `predict_block` gave, after a moment if none is."""
        try:
            ready = [self._done.get(timeout=PATIENCE)]
        except Empty:
            self._warn_if_idle()
            return
        while not self._done.empty():
            ready.append(self._done.get())
        for future in ready:
            part, _ = self._parts.pop(future)
            yield part, self._result(future)

    def _least_busy(self, workers: Mapping[str, int]) -> str:
        """The worker with the fewest blocks for what it predicts at once; "" without any."""
        offers = Counter(address for _, address in self._parts.values())
        return min(workers, key=lambda address: offers[address] / workers[address], default="")

    def _slots(self) -> tuple[dict[str, int], bool]:
        if self._client.status != "running":
            raise lost(self._config)
        try:
            return slots(self._client)
        except OSError as error:
            raise lost(self._config) from error

    def _result(self, future: "Future[Any]") -> Any:
        if future.status == "cancelled":
            raise lost(self._config)
        try:
            predicted, record = future.result()
        except Exception as error:
            raise worker_error(error, self._config) from error
        self._workers[record.address] = record.device
        self._warn_of_versions(record)
        return predicted

    def _warn_of_versions(self, record: WorkerRecord) -> None:
        if record.others:
            self._tell(
                f"A worker has {', '.join(record.others)}, unlike this machine: some labels may "
                "differ from those predicted here."
            )

    def _warn_if_idle(self) -> None:
        if not self._slots()[0]:
            self._tell(
                f"The scheduler {self._config.scheduler} has no workers yet: the prediction waits "
                "for them."
            )

    def _tell(self, text: str) -> None:
        if text not in self._told:
            warnings.warn(text, UserWarning, stacklevel=2)
        self._told.add(text)
