"""A plan that is its masks: for masks that nothing shorter describes."""

from dataclasses import dataclass, field
from typing import final

from samewhy_edge.arrays import Keep


@final
@dataclass(frozen=True)
class Shown:
    """Masks in memory, (M, *shape)."""

    masks: Keep = field(repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """The axes of a mask."""
        return self.masks.shape[1:]

    def __len__(self) -> int:
        """M."""
        return len(self.masks)

    def keep(self, start: int, stop: int) -> Keep:
        """Masks (stop - start, *shape)."""
        return self.masks[start:stop]
