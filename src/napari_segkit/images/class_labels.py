"""Label values with the names and colours of their classes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .classes import LabelClass
from .types import ImageSource, LazyArray

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class _Colormap:
    color_dict: dict[int, tuple[float, ...]]


@dataclass(frozen=True, eq=False)
class ClassLabels:
    """Class values of a file or of a colour mask, with their classes as a layer has them."""

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

        named = [(c.value, c.name) for c in self.classes if c.is_named]
        return DataFrame(named, columns=["index", "name"])

    @property
    def colormap(self) -> _Colormap:
        """The colours of the classes."""
        rgb = {c.value: bytes.fromhex(c.color[1:]) for c in self.classes}
        return _Colormap({v: (*(x / 255 for x in c), 1.0) for v, c in rgb.items()})


def with_classes(labels: LazyArray, classes: Sequence[LabelClass]) -> ImageSource:
    """Label values with their classes, if these are known."""
    return ClassLabels(labels, tuple(classes)) if classes else labels
