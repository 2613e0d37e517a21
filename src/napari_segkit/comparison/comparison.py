"""The result of a comparison: its tables, and the page that shows them."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from napari_segkit.arguments import as_path
from napari_segkit.io.output_paths import check_output_path
from napari_segkit.io.replace_file import atomic_write

from .page import page_of
from .tables import ComparisonTables


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(ComparisonTables):
    """Several models or predictions, compared with one truth; `compare` makes it.

    Parameters
    ----------
    reports : dict
        Name of each model or prediction to its report, as `evaluate` gives it.
    costs : dict
        Name of each to what it takes.
    config : EvaluateConfig
        Which metrics were computed, of which pixels.
    views : tuple of View
        The same windows of some images under each of them.
    classes : tuple of LabelClass
        Names and colours of the classes, where a model knows them.
    repeat : Repeat
        Settings of the models, versions, and how to do it again.
    notes : tuple of str
        Remarks on the comparison.
    """

    def page(self) -> str:
        """Make the page that `to_html` writes.

        Returns
        -------
        str
            HTML that needs no other file.
        """
        return page_of(self)

    def to_html(self, file: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write one page that needs no other file: table, tests, pictures, settings, versions.

        Parameters
        ----------
        file : path-like
            The file to write, such as "comparison.html".
        overwrite : bool
            Whether an existing file is replaced.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ValueError
            If the file exists and `overwrite` is False, or it cannot be written.
        """
        path = check_output_path(as_path("file", file), overwrite=overwrite)
        text = self.page().encode()
        with atomic_write(path, overwrite=overwrite) as opened:
            opened.write(text)
        return path
