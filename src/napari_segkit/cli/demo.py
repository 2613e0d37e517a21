"""``segkit demo``: train, predict and evaluate on the sample in napari."""

from argparse import ArgumentParser, BooleanOptionalAction, Namespace

from .file_options import add_overwrite


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--screenshot", metavar="FILE", help="save a screenshot of the window here")
    parser.add_argument("--stay", action=BooleanOptionalAction, default=None,
                        help="keep the window open (default: if there is a display)")  # fmt: skip
    add_overwrite(parser)


def run(args: Namespace) -> int:
    from napari_segkit._qt.app import demo
    from napari_segkit.io.output_paths import check_output_path

    if args.screenshot:
        check_output_path(args.screenshot, overwrite=args.overwrite)
    return demo.main(screenshot=args.screenshot, stay=args.stay)
