"""``segkit merge``: merge a semantic and an instance model into one panoptic model."""

from argparse import ArgumentParser, Namespace

from .file_options import add_overwrite, model_file
from .options import names
from .signals import finish_first
from .terminal import print_files, say

LESS_MEMORY = "close other programs"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("semantic", help="file of the semantic model (classes only)")
    parser.add_argument("instance", help="file of the instance model (objects)")
    parser.add_argument("-o", "--output", required=True, metavar="MODEL",
                        help="model file to write, such as a.segkit, or a folder for "
                             "model.segkit")  # fmt: skip
    parser.add_argument("--stuff", type=names, metavar="NAME,NAME",
                        help="classes (names or values) of the semantic model for the pixels "
                             "without objects; by default all except background and the classes "
                             "of the instance model")  # fmt: skip
    add_overwrite(parser)


def run(args: Namespace) -> None:
    from napari_segkit.jobs.output_files import new_folders
    from napari_segkit.merged_model import merge_panoptic
    from napari_segkit.segmenter import Segmenter

    output = model_file(args)
    semantic, instance = (
        Segmenter.load(file, device="cpu") for file in (args.semantic, args.instance)
    )
    merged = merge_panoptic(semantic, instance, stuff=args.stuff)
    things = len(instance.classes)
    say(f"Object classes: {', '.join(c.name for c in merged.classes[1:things])}.")
    say(f"Stuff classes: {', '.join(c.name for c in merged.classes[things:])}.")
    with new_folders(output), finish_first():
        merged.save(output)
        print_files([output])
