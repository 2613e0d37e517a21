"""What ``segkit predict`` is asked for: which model; objects, or masks of classes."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.config import ModelSpec, ObjectConfig, TileConfig
from napari_segkit.declare import declared
from napari_segkit.models import MODELS
from napari_segkit.steps import drain

from .options import add_options, flag, names, read_options
from .terminal import notes, say, shown

if TYPE_CHECKING:
    from napari_segkit.batch import Results
    from napari_segkit.objects.record import Objects
    from napari_segkit.segmenter import Segmenter
    from napari_segkit.trained import TrainedModel

PANOPTIC = "panoptic"
FORMATS = ("tif", "nii.gz", "nii", "png", "npy", PANOPTIC)


def add_model(parser: ArgumentParser) -> None:
    """Add what says which model predicts.

    Parameters
    ----------
    parser : ArgumentParser
        Of ``segkit predict``.
    """
    parser.add_argument("model", help="file that segkit train wrote; or a method, such as "
                                      "maskrcnn, with --weights of a whole model")  # fmt: skip
    whole = parser.add_argument_group("models that others have trained")
    whole.add_argument("--weights", metavar="coco|PATH",
                       help="coco: learned on photographs, downloaded once")  # fmt: skip
    whole.add_argument("--encoder", help="the method's encoder that has them")


def model_of(args: Namespace) -> "Segmenter":
    """The model that predicts.

    Parameters
    ----------
    args : Namespace
        Options of ``segkit predict``.

    Raises
    ------
    ValueError
        If there is no such file, or no such method with these weights.
    """
    from napari_segkit.segmenter import Segmenter

    named = args.model in MODELS and not Path(args.model).is_file()
    if not named and (args.weights or args.encoder):
        raise ValueError(
            f"--weights and --encoder go with the name of a method, such as maskrcnn, and not with "
            f"{args.model}: leave them out, or give the name."
        )
    if not named:
        return Segmenter.load(args.model, device=args.device)
    spec = ModelSpec(args.model, encoder=args.encoder, weights=args.weights)
    segmenter = Segmenter(spec, device=args.device)
    if not segmenter.can_predict:
        raise ValueError(
            f"{args.model} is a method and not trained: give the file of a model, or maskrcnn with "
            "--weights coco."
        )
    return segmenter


def add_results(parser: ArgumentParser) -> None:
    """Add the options that say what is written of a prediction.

    Parameters
    ----------
    parser : ArgumentParser
        Of ``segkit predict``.
    """
    parser.add_argument("--format", choices=FORMATS,
                        help="of files written to a folder (default nii.gz for NIfTI images, tif "
                             "for others); panoptic: PNG and JSON as COCO has them")  # fmt: skip
    parser.add_argument("--probabilities", action="store_true",
                        help="write them too, into a folder beside the labels")  # fmt: skip
    objects = parser.add_argument_group("models that give objects")
    objects.add_argument("--masks", type=_names, metavar="NAME,NAME|all",
                         help="write masks of classes (names or values), not objects")  # fmt: skip
    objects.add_argument("--one-mask", action="store_true",
                         help="one mask of value 1 for all of these classes")  # fmt: skip
    add_options(objects, ObjectConfig(), suppress=True)


def suffix_of(args: Namespace) -> str | None:
    """Ending of the files in a folder; None where each image says it."""
    return "png" if args.format == PANOPTIC else args.format


def results_of(args: Namespace) -> "Results":
    """What is to be written.

    Parameters
    ----------
    args : Namespace
        Options of ``segkit predict``.

    Raises
    ------
    ValueError
        If a number breaks its limits.
    """
    from napari_segkit.batch import Results

    return Results(
        read_options(args, ObjectConfig()),
        () if args.one_mask and args.masks is None else args.masks,
        args.one_mask,
        args.format == PANOPTIC,
        args.probabilities,
        args.overwrite,
    )


def require_objects(args: Namespace, model: "TrainedModel") -> None:
    """Refuse options that a model without objects would not heed.

    Parameters
    ----------
    args : Namespace
        Options of ``segkit predict``.
    model : TrainedModel
        The model.

    Raises
    ------
    ValueError
        If it gives classes only and one of the options for objects was given.
    """
    given = [name for name in declared(ObjectConfig) if name in vars(args)]
    given += [name for name in ("masks", "one_mask") if getattr(args, name)]
    if model.kind == "semantic" and given:
        raise ValueError(
            f"{' and '.join(map(flag, given))} choose among objects, and {args.model} gives "
            "classes only: leave them out, or give a model that was trained to give objects."
        )


def predict_file(
    segmenter: "Segmenter", source: Path, target: Path, args: Namespace, results: "Results"
) -> None:
    """Predict one image file, and print the files that were written.

    Parameters
    ----------
    segmenter : Segmenter
        Trained.
    source, target : Path
        Image file and label file.
    args : Namespace
        Options of ``segkit predict``.
    results : Results
        What is written.
    """
    from napari_segkit.batch import predict_file_tiles

    steps = predict_file_tiles(
        segmenter,
        source,
        target,
        read_options(args, TileConfig()),
        axes=args.axes,
        spacing=args.spacing,
        results=results,
    )
    with notes():
        written = drain(shown(steps, lambda _: f"{source.name}  tiles"))
    if written.prediction.objects is not None:
        say(f"{source.name}: {_counted(written.prediction.objects)}")
    print(*written.files, sep="\n")


def _counted(objects: "Objects") -> str:
    """How many there are: "3 objects", or "3 segments" where stuff is among them."""
    word = "segment" if "kind" in objects.table else "object"
    return f"{len(objects)} {word}{'' if len(objects) == 1 else 's'}"


def _names(text: str) -> tuple[str, ...]:
    """Names of classes that commas part; none of them for all."""
    return () if text == "all" else names(text)
