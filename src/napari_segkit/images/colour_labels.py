"""Labels that were colours, with their classes."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .classes import LabelClass
from .types import LazyArray

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class _Colormap:
    color_dict: dict[int, tuple[float, ...]]


@dataclass(frozen=True, eq=False)
class ColourLabels:
    """Class values that were colours, with names and colours of the classes as a layer has them."""

    data: LazyArray
    classes: tuple[LabelClass, ...]
    name: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def ndim(self) -> int:
        """Dimensions of the labels."""
        return self.data.ndim

    @property
    def scale(self) -> tuple[float, ...]:
        """One for each dimension."""
        return (1.0,) * self.ndim

    @property
    def features(self) -> "DataFrame":
        """The names of the classes."""
        from pandas import DataFrame

        return DataFrame([(c.value, c.name) for c in self.classes], columns=["index", "name"])

    @property
    def colormap(self) -> _Colormap:
        """The colours of the classes."""
        rgb = {c.value: bytes.fromhex(c.color[1:]) for c in self.classes}
        return _Colormap({v: (*(x / 255 for x in c), 1.0) for v, c in rgb.items()})
