"""Slow, obvious re-implementations: loops that follow a definition word by word, to compare the fast ones with."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def positions(shape: Sequence[int]) -> Iterator[tuple[int, ...]]:
    return itertools.product(*map(range, shape))


def captum_spans(size: int, window: int, stride: int) -> list[range]:
    """ceil((size - window) / stride) + 1 windows, the last one cut off by the border."""
    count = math.ceil((size - window) / stride) + 1
    return [range(i * stride, min(i * stride + window, size)) for i in range(count)]


def captum_windows(shape: Sequence[int], window: Sequence[int], stride: Sequence[int]) -> list[tuple[range, ...]]:
    return list(itertools.product(*(captum_spans(*axis) for axis in zip(shape, window, stride, strict=True))))


def occlusion(
    score: Callable[[Array], float], sample: Array, window: Sequence[int], stride: Sequence[int], fill: float
) -> Array:
    """The mean of the score drops over the windows that cover a position."""
    shape = sample.shape[:-1]
    drops: dict[tuple[int, ...], list[float]] = {position: [] for position in positions(shape)}
    for spans in captum_windows(shape, window, stride):
        hidden = sample.copy()
        for position in itertools.product(*spans):
            hidden[position] = fill
        for position in itertools.product(*spans):
            drops[position].append(score(sample) - score(hidden))
    return np.array([np.mean(drops[position]) for position in positions(shape)]).reshape(shape)


def rise_published(keep: Array, scores: Array, share: float) -> Array:
    """Equation 6 of Petsiuk et al. 2018: sum of score * mask over (number of masks * share)."""
    total = np.zeros(keep.shape[1:])
    for mask, score in zip(keep, scores, strict=True):
        for position in positions(total.shape):
            total[position] += float(score) * float(mask[position])
    return total / (len(keep) * share)


def rise_centred(keep: Array, scores: Array, share: float) -> Array:
    """The same with score - mean(score)."""
    mean = sum(float(score) for score in scores) / len(scores)
    return rise_published(keep, np.array([float(score) - mean for score in scores]), share)


def mirrored(cell: int, grid: int) -> int:
    """-1 is 1 and grid is grid - 2."""
    return -cell if cell < 0 else 2 * (grid - 1) - cell if cell >= grid else cell


def upsampled_weights(size: int, grid: int) -> Array:
    """Linear weights of `grid` cells at (grid + 1) * ceil(size / grid) positions, mirrored at the border."""
    full = (grid + 1) * math.ceil(size / grid)
    weights = np.zeros((full, grid))
    for i in range(full):
        coordinate = (i + 0.5) * grid / full - 0.5
        below = math.floor(coordinate)
        weights[i, mirrored(below, grid)] += 1 - (coordinate - below)
        weights[i, mirrored(below + 1, grid)] += coordinate - below
    return weights


def grid_mask(cells: Array, shifts: Sequence[int], shape: Sequence[int]) -> Array:
    """One mask of one or two axes: the cells upsampled, then the part that starts at the shifts."""
    for axis, (size, shift) in enumerate(zip(shape, shifts, strict=True)):
        weights = upsampled_weights(size, cells.shape[axis])[shift : shift + size]
        cells = np.moveaxis(np.tensordot(weights, cells, axes=(1, axis)), 0, axis)
    return np.asarray(cells)


def grid_covariance(size: int, grid: int, share: float) -> Array:
    """Covariance (size, size) of the mask values of one axis, over all shifts and coins."""
    cell, weights = math.ceil(size / grid), upsampled_weights(size, grid)
    moved = [weights[shift : shift + size] for shift in range(cell)]
    return np.asarray(share * (1 - share) * np.mean([rows @ rows.T for rows in moved], axis=0))


def mean_ranks(values: Array) -> Array:
    """One more than the number of smaller values, and half a rank for every other equal value."""
    flat = values.ravel()
    return np.array([1 + sum(flat < one) + (sum(flat == one) - 1) / 2 for one in flat])


def correlation(a: Array, b: Array) -> float:
    n = a.size
    u, v = [float(x) for x in a.ravel()], [float(x) for x in b.ravel()]
    mu, mv = sum(u) / n, sum(v) / n
    covariance = sum((x - mu) * (y - mv) for x, y in zip(u, v, strict=True))
    return covariance / math.sqrt(sum((x - mu) ** 2 for x in u) * sum((y - mv) ** 2 for y in v))


def spearman(a: Array, b: Array) -> float:
    return correlation(mean_ranks(a), mean_ranks(b))


def membership(values: Array, count: int) -> list[float]:
    """How much of each position is among the `count` largest; equal values share the places that are left to them."""
    flat = [float(x) for x in values.ravel()]
    left = [count - sum(other > one for other in flat) for one in flat]
    return [min(1.0, max(0.0, places / flat.count(one))) for places, one in zip(left, flat, strict=True)]


def top_overlap(a: Array, b: Array, share: float = 0.1) -> float:
    count = max(1, round(share * a.size))
    return sum(map(min, membership(a, count), membership(b, count))) / count


def ssim(a: Array, b: Array, size: int) -> float:
    """Equation 13 of Wang et al. 2004 in every window within the map, unbiased (co)variances, pooled range."""
    both = np.stack([a, b]).astype(np.float64)
    c1, c2 = ((k * (both.max() - both.min())) ** 2 for k in (0.01, 0.03))
    values = []
    for corner in positions([n - size + 1 for n in a.shape]):
        place = tuple(slice(start, start + size) for start in corner)
        u, v = both[0][place].ravel(), both[1][place].ravel()
        (uu, uv), (_, vv) = np.cov(u, v)
        mu, mv = u.mean(), v.mean()
        values.append((2 * mu * mv + c1) * (2 * uv + c2) / ((mu**2 + mv**2 + c1) * (uu + vv + c2)))
    return float(np.mean(values))


def t_bound(freedom: float) -> float:
    """How many standard errors hold 95 % of Student's t: Hill 1970, to 0.003 from 5 degrees of freedom on."""
    z = 1.959964
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / freedom ** (power + 1) for power, term in enumerate(terms))


def ridge(rows: Array, scores: Array, weights: Sequence[float], penalty: float) -> Array:
    """Coefficients of weighted ridge regression from its normal equations, term by term; the intercept is free."""
    d = rows.shape[1]
    left, right = np.zeros((d + 1, d + 1)), np.zeros(d + 1)
    for row, score, weight in zip(rows, scores, weights, strict=True):
        terms = [1.0, *map(float, row)]
        for i in range(d + 1):
            right[i] += weight * terms[i] * float(score)
            for j in range(d + 1):
                left[i, j] += weight * terms[i] * terms[j]
    for i in range(d):
        left[i + 1, i + 1] += penalty
    return np.asarray(np.linalg.solve(left, right)[1:])


def hsic(masks: Array, scores: Array, width: float) -> list[float]:
    """tr(K H L H) / (M - 1)^2 for each feature's masks, from whole matrices."""
    count, d = masks.shape
    centring = np.eye(count) - np.ones((count, count)) / count
    outputs = np.array([[math.exp(-((a - b) ** 2) / (2 * width**2)) for b in scores] for a in scores])
    found = []
    for feature in range(d):
        inputs = np.array([[1.5 - (a - b) ** 2 for b in masks[:, feature]] for a in masks[:, feature]])
        found.append(float(np.trace(inputs @ centring @ outputs @ centring)) / (count - 1) ** 2)
    return found


def jackknife(estimate: Callable[[list[int]], Array], count: int) -> Array:
    """Tukey's standard error: the estimate without each of `count` parts in turn."""
    without = np.array([estimate([one for one in range(count) if one != left]) for left in range(count)])
    return np.asarray(np.sqrt((count - 1) / count * ((without - without.mean(axis=0)) ** 2).sum(axis=0)))


def ishigami(points: Array, a: float = 7.0, b: float = 0.1) -> Array:
    """Ishigami & Homma 1990: three inputs in [-pi, pi], of which the third acts only together with the first."""
    x, y, z = points.T
    return np.asarray(np.sin(x) + a * np.sin(y) ** 2 + b * z**4 * np.sin(x))


def ishigami_total(a: float = 7.0, b: float = 0.1) -> list[float]:
    """Total-order indices of the Ishigami function, from its variance by parts."""
    first, second, together = (1 + b * math.pi**4 / 5) ** 2 / 2, a**2 / 8, 8 * b**2 * math.pi**8 / 225
    whole = first + second + together
    return [(first + together) / whole, second / whole, together / whole]
