"""Record of the labels that a model was trained on."""

from collections.abc import Generator, Sequence
from typing import Any

from napari_segkit._qt.layers.result_layers import fingerprint
from napari_segkit._qt.layers.snapshots import Snapshot
from napari_segkit._qt.session.session import Session


def recorded(
    session: Session, labels: Sequence[Snapshot], training: Generator[Any, Any, Any]
) -> Generator[Any, Any, Any]:
    """The steps of a training, which tells the session its labels once it has given a model."""
    segmenter, before = session.segmenter, session.segmenter.trained
    used = used_labels(labels)
    try:
        return (yield from training)
    finally:
        trained = segmenter.trained
        if trained is not None and trained is not before:
            session.keep_training_labels(trained.identity, used)


def used_labels(labels: Sequence[Snapshot]) -> frozenset[str]:
    """What labels are recognised by: `unique_id` and fingerprint of each."""
    return frozenset(text for x in labels for text in (x.unique_id, fingerprint(x.data)))
