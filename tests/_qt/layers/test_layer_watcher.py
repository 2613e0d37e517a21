import gc
import weakref

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject

from napari_segkit._qt.layers.layer_watcher import Listener, emitters_of


def labels():
    return Labels(np.zeros((4, 4), np.uint8))


def test_a_listener_hears_the_latest_layers_once(qapp):
    owner, heard, first, second = QObject(), [], labels(), labels()
    listener = Listener(owner, lambda: heard.append(1))
    listener.listen(emitters_of(first, "features"))
    listener.listen((*emitters_of(second, "features"), *emitters_of(second, "features")))
    first.features = {"index": [1]}
    assert not heard
    second.features = {"index": [1]}
    assert heard == [1]
    listener.listen(emitters_of(None, "features"))
    second.features = {"index": [2]}
    assert heard == [1]


def test_a_listener_keeps_neither_layer_nor_owner(qapp):
    owner, layer = QObject(), labels()
    listener = Listener(owner, owner.objectName)
    listener.listen(emitters_of(layer, "features"))
    references = weakref.ref(layer), weakref.ref(owner)
    del owner, listener
    gc.collect()
    layer.features = {"index": [1]}
    del layer
    gc.collect()
    assert [r() for r in references] == [None, None]
