"""``segkit evaluate --unseen-by``: the pixels that a model was trained on are left out."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_segkit.segmenter import Segmenter


def add_unseen(parser: ArgumentParser) -> None:
    parser.add_argument("--unseen-by", metavar="MODEL",
                        help="leave out the pixels that this model was trained on or validated "
                             "with; needs --images")  # fmt: skip
    parser.add_argument("--images", metavar="PATH",
                        help="the images that belong to the truth, for --unseen-by: file, folder, "
                             "pattern, or a CSV list of images and masks")  # fmt: skip


def unseen(args: Namespace) -> "Segmenter | None":
    """The model that knows what it has seen; None if nobody asked."""
    from napari_segkit.segmenter import Segmenter

    if args.unseen_by is None and args.images is None:
        return None
    if args.unseen_by is None or args.images is None:
        raise ValueError("--unseen-by and --images go together: give both or neither.")
    return Segmenter.load(args.unseen_by, device="cpu")
