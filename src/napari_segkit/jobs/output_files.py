"""Names of the files that results are written to."""

from os import PathLike
from pathlib import Path

from napari_segkit.io.filenames import NIFTI, ending, stem
from napari_segkit.io.files import check_output_file
from napari_segkit.io.folders import files_by_stem, is_folder
from napari_segkit.io.volume_files import is_volume

AnyPath = str | PathLike[str]


def plan_outputs(
    source: AnyPath, output: AnyPath, suffix: str | None = None
) -> list[tuple[Path, Path]]:
    """Pair each image file with its label file.

    `output` is a file or a folder; in a folder (created if missing) labels get the image's name
    with `suffix`, by default "nii.gz" for volumes of medical formats and "tif" for others.
    """
    images, labels = Path(source), Path(output)
    if not is_folder(images):
        return [(images, labels / _label_name(images, suffix) if labels.is_dir() else labels)]
    if labels.resolve() == images.resolve():
        raise ValueError(f"{labels} holds the images: choose another folder for the results.")
    files = files_by_stem(images)
    labels.mkdir(parents=True, exist_ok=True)
    return [(file, labels / _label_name(file, suffix)) for file in files.values()]


def probabilities_file(target: Path) -> Path:
    """File in the folder "probabilities" next to a label file; a TIFF for a PNG."""
    suffix = ending(target) if ending(target) in (".npy", *NIFTI) else ".tif"
    return target.parent / "probabilities" / f"{stem(target)}{suffix}"


def check_probabilities_file(target: Path, *, overwrite: bool = False) -> Path:
    """Check that the probabilities of a label file can be written, and make their folder."""
    file = probabilities_file(target)
    file.parent.mkdir(exist_ok=True)
    return check_output_file(file, overwrite=overwrite, probabilities=True)


def _label_name(image: Path, suffix: str | None) -> str:
    default = "nii.gz" if is_volume(image) else "tif"
    return f"{stem(image)}.{suffix or default}"
