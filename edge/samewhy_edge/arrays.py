"""The shapes of the project, by name.

``N`` counts samples, ``M`` queries of a plan, ``K`` classes, ``C`` channels; ``*S`` is one or two spatial axes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Sample = NDArray[np.float32]  # (*S, C), in the units that the network expects, before any int8 encoding
Samples = NDArray[np.float32]  # (N, *S, C)
Scores = NDArray[np.float32]  # (N, K), decoded; logits unless the manifest says otherwise
Answers = NDArray[np.float32]  # (N, M, K), the scores of every query of a plan, for every sample
Targets = NDArray[np.int64]  # (N,), the class whose score is explained
Keep = NDArray[np.float32]  # (M, *S) in [0, 1]: 1 keeps a feature, 0 fills it
Map = NDArray[np.float32]  # (*S,), how much each position speaks for the target
Maps = NDArray[np.float32]  # (N, *S)
Codes = NDArray[np.integer[Any]]  # what an integer tensor holds
