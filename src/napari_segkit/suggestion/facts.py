"""What is known of images, labels and computer when a method is suggested."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from napari_segkit.images.units import UNKNOWN_SPACING, Spacing

SAME_SPACING = 1.05  # ratio of spacings that count as equal


@dataclass(frozen=True)
class ObjectFacts:
    """Objects that were read, by their instance ids."""

    count: int
    diameter: float  # median, pixels of the finest axis; of discs (balls) of equal area (volume)
    touching: float  # part of the objects that touch another one
    cover: float  # part of the pixels that are objects


@dataclass(frozen=True)
class Facts:
    """What images and labels tell; measured by `measure`."""

    images: int = 1  # that are trained on
    images_read: int = 1
    is_partial: bool = False  # whether parts of large images were left out
    shape: tuple[int, int, int] = (1, 256, 256)  # Z, Y, X, of the largest image
    channels: int = 1
    is_rgb: bool = False
    spacing: Spacing = UNKNOWN_SPACING  # of the first image
    spacings: tuple[Spacing, ...] = ()  # of all images that were read
    counts: Mapping[int, int] = field(default_factory=dict)  # pixels of each label value
    are_ids: bool = False  # whether the values look like instance ids
    edge_contrast: float | None = None  # see `label_edges.edge_contrast`
    objects: ObjectFacts | None = None

    @property
    def is_volume(self) -> bool:
        """Whether there is more than one slice."""
        return self.shape[0] > 1

    @property
    def anisotropy(self) -> float:
        """How many times as long as wide a voxel is."""
        z, y, x = self.spacing
        return z / min(y, x) if self.is_volume else 1.0

    @property
    def has_one_spacing(self) -> bool:
        """Whether the voxels of all images have one size."""
        along = zip(*(self.spacings or (self.spacing,)), strict=True)
        return all(max(sizes) <= SAME_SPACING * min(sizes) for sizes in along)

    @property
    def painted(self) -> dict[int, int]:
        """Pixels of each value that is not 0."""
        return {value: count for value, count in self.counts.items() if value}

    @property
    def painted_part(self) -> float:
        """Part of the pixels whose value is not 0."""
        total = sum(self.counts.values())
        return sum(self.painted.values()) / total if total else 0.0


@dataclass(frozen=True)
class Budget:
    """What a training may take."""

    minutes: float = 10.0
    device: str = "cpu"  # type of the device: "cpu", "cuda", "mps"
    threads: int = 2  # of the CPU
    memory: int = 2**33  # free bytes of the device

    @property
    def is_cpu(self) -> bool:
        """Whether there is no graphics card."""
        return self.device == "cpu"

    @property
    def cpu_minutes(self) -> float:
        """Minutes of all threads; two do nearly twice as much as one, many do not."""
        return self.minutes * min(self.threads, 4)
