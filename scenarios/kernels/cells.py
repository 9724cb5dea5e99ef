"""Counts and sums of statistics in the cells of a grid."""

from __future__ import annotations

import numpy as np

from scenarios.kernels.jit import kernel


@kernel("f8[::1], f8[:,:], f8, i8, f8[:,::1], i8[::1]")
def add_to_cells(link, statistics, per_unit, first, window, outside):
    """Add observations to a ``window`` (W, 1 + d) of counts and sums; cell ``first`` comes first.

    The cell of an observation is the floor of ``link`` (n,) × ``per_unit``; ``statistics`` are
    (n, d). Returns the number of observations whose cells are not in the window, with whose
    indices it fills ``outside`` (n,), and the number of cells that were empty before.
    """
    missed, new, pairs = 0, 0, statistics.shape[1] == 2  # without a loop it is half as fast again
    for i in range(link.size):
        place = np.int64(np.floor(link[i] * per_unit)) - first
        if 0 <= place < len(window):
            new += window[place, 0] == 0.0
            window[place, 0] += 1.0
            if pairs:
                window[place, 1] += statistics[i, 0]
                window[place, 2] += statistics[i, 1]
            else:
                for j in range(statistics.shape[1]):
                    window[place, 1 + j] += statistics[i, j]
        else:
            outside[missed] = i
            missed += 1
    return missed, new
