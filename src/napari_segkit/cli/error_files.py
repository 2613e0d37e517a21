"""``segkit evaluate --errors``: maps of what is wrong, as files with a legend."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .signals import finish_first

if TYPE_CHECKING:
    from napari_segkit.evaluation.error_map import ErrorMap
    from napari_segkit.io.image_files import ImageFiles
    from napari_segkit.io.writers import FileMetadata

PICTURE, STACK, VOLUME = ".png", ".tif", ".nii.gz"


class ErrorFiles:
    """Writes the error maps of predictions into a folder, each in the sub-folder of its file."""

    def __init__(self, folder: Path, *, overwrite: bool) -> None:
        self._folder, self._overwrite = folder, overwrite

    def check(self, predictions: Sequence["ImageFiles"], inputs: Iterable[Path]) -> None:
        """Check before the work that all files can be written."""
        from napari_segkit.io.output_paths import (
            check_output_folder,
            check_output_path,
            require_inputs_kept,
        )

        check_output_folder(self._folder)
        files = [file for each in predictions for file in self._possible(each)]
        require_inputs_kept(files, inputs)
        for file in files:
            check_output_path(file, overwrite=self._overwrite, new_folder=True)

    def write(self, prediction: "ImageFiles", errors: "ErrorMap") -> Path:
        """Write the map of a prediction, in its place: a PNG in colours if it is one plane."""
        from napari_segkit.io.files import labels_content
        from napari_segkit.io.replace_file import write_together
        from napari_segkit.jobs.output_files import new_folders

        is_plane = errors.values.ndim == 2
        file = self._possible(prediction)[0 if is_plane else -1]
        content = labels_content(file, errors.values, _metadata(prediction, errors, file))
        with finish_first(), new_folders(file):
            write_together({file: content}, overwrite=self._overwrite)
        return file

    def _possible(self, prediction: "ImageFiles") -> list[Path]:
        """The files that a map may become: of a plane, and of more dimensions."""
        from napari_segkit.io.volume_files import is_volume

        endings = [VOLUME] if is_volume(prediction.path) else [PICTURE, STACK]
        folder = self._folder / prediction.folder
        return [folder / f"{prediction.stem}{ending}" for ending in endings]


def _metadata(prediction: "ImageFiles", errors: "ErrorMap", file: Path) -> "FileMetadata":
    """Axes, spacing and header of the prediction's file, and the legend."""
    from napari_segkit.images.notes import without_notes
    from napari_segkit.io.files import read_image
    from napari_segkit.io.writers import FileMetadata

    with without_notes():  # reading the labels gives them
        image = read_image(prediction.path, labels_shape=errors.values.shape)
    return FileMetadata(
        image.label_axes,
        image.spacing,
        {"errors_of": prediction.name},
        image.metadata.get("nifti"),
        unit=image.unit,
        place=image.metadata.get("geotiff", ()),
        classes=errors.classes,
        palette=file.suffix == PICTURE,
    )
