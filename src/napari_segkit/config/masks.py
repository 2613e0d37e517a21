"""Settings of the values that labels are written with."""

from dataclasses import dataclass

from ._schema import Checked


@dataclass(frozen=True)
class MaskConfig(Checked):
    """Which classes are written with which values, for other programs.

    Parameters
    ----------
    masks : str or None
        Write only these classes (names or values, such as "neuron, glia"; "all": all but the value
        0), and 0 elsewhere; of objects their classes instead of their ids. None: all.
    one_mask : bool
        One mask of value 1 for all of these classes.
    values : str or None
        Value to write for each class, such as "neuron=255, glia=128"; or one number, such as 255,
        for all of these classes. None: the values of the classes.
    palette : bool
        Write PNG files with a palette of the class colours: Pillow and Fiji read the values then,
        but OpenCV, imageio and napari read colours.
    """

    masks: str | None = None
    one_mask: bool = False
    values: str | None = None
    palette: bool = False

    @property
    def changes_values(self) -> bool:
        """Whether other values are written than those of all classes, or of objects."""
        return self.masks is not None or self.one_mask or self.values is not None
