"""``segkit train --show``: a picture of random pairs."""

from argparse import Namespace
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.models import predicts_objects

from .terminal import print_files, print_warnings

if TYPE_CHECKING:
    from napari_segkit.training_set import TrainingSet


def write_pairs(
    args: Namespace,
    training_set: "TrainingSet",
    spec: ModelSpec,
    config: TrainConfig,
    inputs: Iterable[Path],
) -> int:
    """Write the picture; gives the exit status."""
    from napari_segkit.io.output_paths import check_output_path, require_inputs_kept, write_new
    from napari_segkit.io.pictures import write_picture
    from napari_segkit.jobs.pair_pictures import picture_of_set

    path = check_output_path(_png(args.show), overwrite=args.overwrite)
    require_inputs_kept([path], inputs)
    with print_warnings():
        picture = picture_of_set(training_set, config, args.axes, objects=predicts_objects(spec))
        write = partial(write_picture, picture=picture, overwrite=args.overwrite)
        print_files([write_new(path, write, overwrite=args.overwrite)])
    return 0


def _png(name: str) -> Path:
    """The path of a picture; .png if nothing else is said."""
    path = Path(name)
    path = path if path.suffix else path.with_name(f"{path.name}.png")
    if path.suffix.lower() != ".png":
        raise ValueError(f"{path} is no name of a PNG picture: choose {path.with_suffix('.png')}.")
    return path
