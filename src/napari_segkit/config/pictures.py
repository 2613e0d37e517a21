"""How labels are drawn over an image."""

from typing import Literal

Style = Literal["colours", "contours", "cutout"]
