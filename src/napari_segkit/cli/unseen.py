"""``segkit evaluate --unseen-by``: the pixels that a model was trained on are left out."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from .terminal import say

if TYPE_CHECKING:
    from napari_segkit.images.types import AnyArray, LazyArray
    from napari_segkit.io.image_files import ImageFiles
    from napari_segkit.io.name_pairs import Pairs
    from napari_segkit.segmenter import Segmenter


def add_unseen(parser: ArgumentParser) -> None:
    parser.add_argument("--unseen-by", metavar="MODEL",
                        help="leave out the pixels that this model was trained on; needs "
                             "--images")  # fmt: skip
    parser.add_argument("--images", metavar="PATH",
                        help="the images that belong to the truth, for --unseen-by: file, folder, "
                             "pattern, or a CSV list of images and masks")  # fmt: skip


def unseen(args: Namespace, truth: str | None, pairs: "Pairs") -> "Unseen | None":
    """What tells seen pixels from others; None if nobody asked."""
    from napari_segkit.io.filenames import LISTS
    from napari_segkit.io.folders import pair_files
    from napari_segkit.segmenter import Segmenter

    if args.unseen_by is None and args.images is None:
        return None
    if args.unseen_by is None or args.images is None:
        raise ValueError("--unseen-by and --images go together: give both or neither.")
    if args.kind == "panoptic":
        raise ValueError("--unseen-by is for pixels and objects, not for --kind panoptic.")
    segmenter = Segmenter.load(args.unseen_by, device="cpu")
    if not segmenter.ready().provenance.get("trained_on"):
        raise ValueError(
            f"{args.unseen_by} does not record what it was trained on, as merged models and those "
            "of earlier versions: leave out --unseen-by."
        )
    is_list = Path(args.images).suffix.lower() in LISTS
    found = pair_files(args.images, None if is_list else truth)
    images = {labels.path.resolve(): image for image, labels in found}
    truths = [truth.path.resolve() for _, truth in pairs]
    if missing := [path for path in truths if path not in images]:
        raise ValueError(f"{args.images} holds no image for {missing[0]}: give those of the truth.")
    return Unseen(segmenter, args.unseen_by, {path: images[path] for path in truths})


class Unseen:
    """The images of a command, and how many of their pixels a model was trained on."""

    def __init__(
        self, segmenter: "Segmenter", model: str, image_of: dict[Path, "ImageFiles"]
    ) -> None:
        self._segmenter, self._model, self._image_of = segmenter, model, image_of
        self._pixels = self._images = self._whole = 0

    def mark(self, truth: "LazyArray", file: Path, like: Path, value: int) -> "AnyArray | None":
        """The truth with a value where the model was trained; None if nothing else is labelled.

        `like` is the file in whose orientation the truth was read.
        """
        import numpy as np

        values = np.asarray(truth)
        seen = self._seen(self._image_of[file.resolve()], like, values.shape)
        count = int(seen.sum())
        marked = np.where(seen, value, values.astype(np.int64)) if count else values
        is_whole = count > 0 and bool((marked == value).all())
        self._pixels, self._whole = self._pixels + count, self._whole + is_whole
        self._images += count > 0
        return None if is_whole else marked

    def _seen(self, files: "ImageFiles", like: Path, shape: tuple[int, ...]) -> "AnyArray":
        import numpy as np

        from napari_segkit.images.orientation import reorient
        from napari_segkit.io.channel_files import read_image_files
        from napari_segkit.io.files import file_orientation

        model = self._segmenter.ready()
        image = read_image_files(files, like=model.axes, channels=model.channels)
        mask = self._segmenter.trained_pixels(image)
        if mask is None:
            return np.zeros(shape, bool)
        mask = reorient(mask, image.label_axes, image.orientation, file_orientation(like))
        if mask.shape != shape:
            raise ValueError(
                f"{files.name} has the shape {mask.shape} and its truth {shape}: give the images "
                "that belong to the truth."
            )
        return np.asarray(mask)

    def tell(self) -> None:
        """Say how much is left out; ValueError if nothing else is there."""
        from napari_segkit.training.events import counted

        if not self._images:
            say(f"{self._model} was trained on none of these images, as their pixels show.")
            return
        if self._whole == len(self._image_of):
            raise ValueError(
                f"{self._model} was trained on every labelled pixel of the truth: evaluate it on "
                "other images."
            )
        whole = f"; {self._whole} wholly, which are not in the table" * bool(self._whole)
        say(
            f"Left out: {self._pixels} pixels of {counted(self._images, 'image')} that "
            f"{self._model} was trained on{whole}."
        )
