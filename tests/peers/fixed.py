"""A plan of given masks."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Fixed:
    masks: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.masks.shape[1:]

    def __len__(self) -> int:
        return len(self.masks)

    def keep(self, start: int, stop: int) -> np.ndarray:
        return self.masks[start:stop]
