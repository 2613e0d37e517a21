"""``segkit merge``: a model of classes and a model of objects as one."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .options import names
from .terminal import say


def add_merge(parser: ArgumentParser) -> None:
    """Add what says which models are merged, and how.

    Parameters
    ----------
    parser : ArgumentParser
        Of ``segkit merge``.
    """
    parser.add_argument("semantic", help="model file that gives a class for every pixel")
    parser.add_argument("instance", help="model file that gives objects")
    parser.add_argument("-o", "--output", required=True, metavar="MODEL", help="such as a.segkit")
    parser.add_argument("--stuff", type=names, metavar="NAME,NAME",
                        help="names or values of the first model's classes that fill what objects "
                             "leave; by default all but background and those that the second "
                             "has")  # fmt: skip


def merge(args: Namespace) -> Path:
    """Merge two model files into one, which appears only once it is complete.

    Parameters
    ----------
    args : Namespace
        Options of ``segkit merge``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        If the file exists already, the models do not go together, or there is no such class.
    """
    from napari_segkit.io.files import require_free
    from napari_segkit.merged_model import merge_panoptic
    from napari_segkit.segmenter import Segmenter

    output = require_free(args.output, overwrite=args.overwrite)
    semantic, instance = (
        Segmenter.load(file, device="cpu") for file in (args.semantic, args.instance)
    )
    merged = merge_panoptic(semantic, instance, stuff=args.stuff)
    known = len(instance.classes)
    say(f"Objects: {', '.join(c.name for c in merged.classes[1:known])}.")
    say(f"Between them: {', '.join(c.name for c in merged.classes[known:])}.")
    merged.save(output)
    return output
