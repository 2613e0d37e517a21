"""``segkit predict``: which model; objects, or masks of classes; one file after the other."""

from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segkit.config import ModelSpec, ObjectConfig, TileConfig
from napari_segkit.config._schema import config_fields
from napari_segkit.models import MODELS
from napari_segkit.steps import drain

from .file_options import add_common, add_output, each_file, plan_files, say_device
from .options import add_options, flag, names, read_options
from .refine_options import add_refine, refine_of
from .terminal import notes, say, shown

if TYPE_CHECKING:
    from napari_segkit.instances.results import Objects
    from napari_segkit.jobs.files import Results
    from napari_segkit.segmenter import Segmenter
    from napari_segkit.trained_model import TrainedModel

PANOPTIC = "panoptic"


def add_predict(parser: ArgumentParser) -> None:
    """Add the options.

    Parameters
    ----------
    parser : ArgumentParser
        Of ``segkit predict``.
    """
    _add_model(parser)
    parser.add_argument("input", help="image file or folder")
    add_output(parser, PANOPTIC, about="; panoptic: PNG and JSON as COCO has them")
    add_common(parser)
    add_options(parser, TileConfig())
    _add_results(parser)
    add_refine(parser, "the model's own recipe, none where it has no other")


def predict(args: Namespace) -> int:
    """Predict a file, or those of a folder.

    Parameters
    ----------
    args : Namespace
        Options of ``segkit predict``.

    Returns
    -------
    int
        Exit status: 1 where a file failed.

    Raises
    ------
    ValueError
        If something was asked for that cannot be.
    """
    from napari_segkit.io.folders import is_folder

    read_options(args, TileConfig())  # wrong numbers are said before any work
    results = _results_of(args)
    written: Any = {"suffix": _suffix_of(args), "probabilities": args.probabilities}
    jobs = plan_files([args.input], args.output, **written)
    segmenter = _model_of(args)
    _require_objects(args, segmenter.ready())
    recipe = refine_of(args, segmenter.refine, segmenter.classes)
    if recipe is not None:
        segmenter.refine = recipe
    results.check(segmenter.ready())
    say_device(args)
    work = partial(_predict_file, segmenter, args, results)
    return each_file(work, jobs, folder=is_folder(Path(args.input)))


def _add_model(parser: ArgumentParser) -> None:
    parser.add_argument("model", help="file that segkit train wrote; or a method, such as "
                                      "maskrcnn, with --weights of a whole model")  # fmt: skip
    whole = parser.add_argument_group("models that others have trained")
    whole.add_argument("--weights", metavar="coco|PATH",
                       help="coco: learned on photographs, downloaded once")  # fmt: skip
    whole.add_argument("--encoder", help="the method's encoder that has them")


def _model_of(args: Namespace) -> "Segmenter":
    """The model that predicts; ValueError where there is none."""
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


def _add_results(parser: ArgumentParser) -> None:
    """What is written of a prediction."""
    parser.add_argument("--probabilities", action="store_true",
                        help="write them too, into a folder beside the labels")  # fmt: skip
    objects = parser.add_argument_group("models that give objects")
    objects.add_argument("--masks", type=_names, metavar="NAME,NAME|all",
                         help="write masks of classes (names or values), not objects")  # fmt: skip
    objects.add_argument("--one-mask", action="store_true",
                         help="one mask of value 1 for all of these classes")  # fmt: skip
    add_options(objects, ObjectConfig(), suppress=True)


def _suffix_of(args: Namespace) -> str | None:
    """Ending of the files in a folder; None where each image says it."""
    return "png" if args.format == PANOPTIC else args.format


def _results_of(args: Namespace) -> "Results":
    """What is to be written; ValueError where a number breaks its limits."""
    from napari_segkit.jobs.files import Results

    return Results(
        read_options(args, ObjectConfig()),
        () if args.one_mask and args.masks is None else args.masks,
        args.one_mask,
        args.format == PANOPTIC,
        args.probabilities,
        args.overwrite,
    )


def _require_objects(args: Namespace, model: "TrainedModel") -> None:
    """Refuse options that a model without objects would not heed."""
    given = [name for name in config_fields(ObjectConfig) if name in vars(args)]
    given += [name for name in ("masks", "one_mask") if getattr(args, name)]
    if model.kind == "semantic" and given:
        raise ValueError(
            f"{' and '.join(map(flag, given))} choose among objects, and {args.model} gives "
            "classes only: leave them out, or give a model that was trained to give objects."
        )


def _predict_file(
    segmenter: "Segmenter", args: Namespace, results: "Results", source: Path, target: Path
) -> None:
    """Predict one image file, and print the files that were written."""
    from napari_segkit.jobs.files import predict_file_tiles

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
