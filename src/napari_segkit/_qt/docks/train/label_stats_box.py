"""Label statistics, and buttons that correct what looks wrong."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from napari.layers import Image, Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.widgets.dock import Note, stack
from napari_segkit._qt.widgets.gui_messages import error_text, gui_message
from napari_segkit._qt.widgets.label_semantics import LabelSemantics
from napari_segkit._qt.widgets.question import Answers
from napari_segkit.images.axes_image import as_image, full_resolution
from napari_segkit.images.label_stats import BACKGROUND, LabelStats, ObjectStats, label_stats
from napari_segkit.io.opened_files import with_file_notes
from napari_segkit.models.presets import TOUCHING

WAIT_MS = 300  # after the last stroke
SEPARATE = (
    f"Sets Objects to Distance transform + watershed and Epochs to {TOUCHING.config.epochs}, as "
    f'the preset "{TOUCHING.name}" does.'
)
REMEDIES = {
    "paint": "Paint background as a class",
    "unlabelled=None": "Use all unpainted pixels as background",
    "labels_are='objects'": "Instance ids: merge into one foreground class",
    "labels_are='classes'": "Class labels: keep them as they are",
    "objects='distance'": "Train to find single objects",
}
OBJECT_REMEDIES = {
    "paint": "Paint an object",
    "labels_are='objects'": "Each value is one object",
    "labels_are='classes'": "Each connected component is an object",
    "objects='distance'": "Train to separate touching objects",
}
TIPS = {
    "labels_are='objects'": "<p>Sets Labels are, and takes unpainted pixels as background.</p>",
    "objects='distance'": f"<p>{SEPARATE}</p>",
}


class LabelStatsBox(QWidget):
    """Counts labelled pixels or objects in the background; the dock lays out `remedies`."""

    stats_changed = Signal(object)  # LabelStats, None while there are none
    paint_requested = Signal()  # of background, or of an object
    separation_requested = Signal()  # of touching objects
    background_set = Signal()  # unpainted pixels became background

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.label_stats: LabelStats | None = None
        self.semantics = LabelSemantics(self)
        self.text = Note()
        self.remedies = Answers()
        self._layers: tuple[Labels | None, Image | None, str | None] = None, None, None
        self._objects = False
        self._set_stats: LabelStats | None = None  # of a training set
        self._is_mask = False  # of 0 and 255, so that 0 was made its background
        self._count: Callable[..., LabelStats] = label_stats
        self._latest = LatestCall(self, wait_ms=WAIT_MS)
        stack(self, self.text)
        self.semantics.changed.connect(self._start_count)
        self._latest.returned.connect(self._on_stats)
        self._latest.errored.connect(self._on_error)

    @property
    def is_counting(self) -> bool:
        return self._latest.is_busy

    def set_layers(
        self,
        labels: Labels | None,
        image: Image | None,
        axes: str | None,
        count: Callable[..., LabelStats],
        *,
        objects: bool,
    ) -> None:
        """Count labels in the background with `count`; `objects`: values are instance ids."""
        self._count = count
        if (labels, image, axes, objects) != (*self._layers, self._objects):
            self._layers, self._objects = (labels, image, axes), objects
            self._is_mask = False
            self.semantics.restore_for(labels, image)
            self.semantics.show_texts(objects=objects)
            self._on_stats(None)
            self.text.setText("" if labels is None else "Counting …")
        self._start_count()

    def show_set(self, stats: LabelStats | None) -> None:
        """Offer what corrects a training set; None: what corrects these labels."""
        self._set_stats = stats
        self._offer_remedies()

    def _apply(self, name: str) -> None:
        """Apply a remedy."""
        if name == "paint":
            self.paint_requested.emit()
        elif name == "objects='distance'":
            self.separation_requested.emit()
        else:
            self.semantics.apply(name)
        if name == "unlabelled=None":
            self.background_set.emit()
        if name == "labels_are='objects'" and not self._objects:
            self.semantics.use_zero_as_background()  # merged ids are a class only beside another

    def _start_count(self) -> None:
        if self._layers[0] is None:
            self._latest.cancel()
            self._on_stats(None)
        else:
            count = partial(self._count, **self.semantics.value)
            self._latest.submit(partial(count_labels, *self._layers, count))

    def _on_stats(self, stats: LabelStats | None) -> None:
        self.label_stats = stats
        self.semantics.add_values(stats.counts if stats and not self._objects else ())
        self.text.setText(describe(self._with_background(stats), objects=self._objects))
        self._offer_remedies()
        self.stats_changed.emit(stats)

    def _offer_remedies(self) -> None:
        stats = self._set_stats or self.label_stats
        texts = REMEDIES | (OBJECT_REMEDIES if self._objects else {})
        proposed = [] if stats is None else [r for r in texts if r in stats.remedies]
        if self._layers[0] is None:
            proposed = [r for r in proposed if r != "paint"]
        self.remedies.offer(
            {texts[r]: partial(self._apply, r) for r in proposed},
            tips={texts[r]: TIPS[r] for r in proposed if r in TIPS},
        )

    def _with_background(self, stats: LabelStats | None) -> LabelStats | None:
        """Show as the choice what was found of a mask, and keep saying why."""
        if stats is None or self.semantics.value["unlabelled"] not in (0, None):
            return stats
        if BACKGROUND in stats.notes:
            self._is_mask = True
            self.semantics.apply("unlabelled=None")
        elif self._is_mask and stats.counts.keys() == {0, 255}:
            return replace(stats, notes=(BACKGROUND, *stats.notes))
        return stats

    def _on_error(self, error: BaseException) -> None:
        text = error_text(error, "Counting the labels")
        if isinstance(error, ValueError):
            self._on_stats(LabelStats({}, 0, (), text))
        else:  # the training counts again, and may succeed
            self._on_stats(LabelStats({}, 0, (text,)))


def count_labels(
    labels: Labels, image: Image | None, axes: str | None, count: Callable[..., LabelStats]
) -> LabelStats:
    """Count labels, checked against their image if there is one; slow for large layers."""
    if image is None:
        return count(labels, image=None)
    shape = full_resolution(labels).shape
    named = as_image(image, axes, labels_shape=shape)
    return count(labels, image=with_file_notes(named, image))


def describe(stats: LabelStats | None, *, objects: bool = False) -> str:
    """Summarise label statistics and their notes; the problem is shown elsewhere."""
    if stats is None:
        return ""
    lines = _describe_objects(stats) if stats.objects else []
    if stats.counts and not objects and not stats.objects:
        labelled = sum(stats.counts.values())
        plural = "" if len(stats.counts) == 1 else "es"
        share = stats.unlabelled / (labelled + stats.unlabelled)
        lines.append(
            f"{labelled:,} labelled pixels in {len(stats.counts)} class{plural}; "
            f"{stats.unlabelled:,} unlabelled ({share:.0%})."
        )
    return "\n".join([*lines, *map(gui_message, stats.notes)])


def _describe_objects(stats: LabelStats) -> list[str]:
    lines = [_describe_class(objects) for objects in stats.objects]
    if stats.size_settings:
        lines.append(f"Set from the object sizes: {stats.size_settings}.")
    if stats.unlabelled:
        annotated = sum(stats.counts.values())
        share = annotated / (annotated + stats.unlabelled)
        lines.append(f"{share:.0%} of the pixels are annotated.")
    return lines


def _describe_class(stats: ObjectStats) -> str:
    plural = "" if stats.count == 1 else "s"
    name = "" if stats.label_class.name == "object" else f"{stats.label_class.name}: "
    width = f"{stats.median:.0f} pixels wide"
    if stats.count > 1:
        width = f"typically {width} ({stats.smallest:.0f} to {stats.largest:.0f})"
    return f"{name}{stats.count:,} object{plural}, {width}."
