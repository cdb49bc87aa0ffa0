"""How long to train, and at which learning rate, where it follows from the data."""

from __future__ import annotations

from math import ceil, cos, pi

# Of one cycle, the share of the steps at which the rate rises, and the parts of its peak from which
# it starts and at which it ends: close to the defaults of torch.optim.lr_scheduler.OneCycleLR.
_RISING = 0.25
_FIRST, _LAST = 0.04, 0.001

# Steps in which networks for texts learn what generalises, and bounds for small and large corpora.
_STEPS = 400
_FEWEST_EPOCHS, _MOST_EPOCHS = 3, 12


def one_cycle(progress: float) -> float:
    """Return the part of the peak learning rate to train at, after `progress` of all steps.

    Parameters
    ----------
    progress : float
        From 0 at the first step up to 1.

    References
    ----------
    .. [1] L. Smith and N. Topin, "Super-convergence: very fast training of neural networks using
       large learning rates", SPIE 2019.
    """
    if progress < _RISING:
        start, end, done = _FIRST, 1.0, progress / _RISING
    else:
        start, end, done = 1.0, _LAST, (progress - _RISING) / (1.0 - _RISING)
    return end + (start - end) * (1.0 + cos(pi * done)) / 2.0


def epochs_for(n_documents: int, batch_size: int) -> int:
    """Return the epochs that make about 400 steps: at least 3, at most 12."""
    steps = ceil(n_documents / batch_size)
    return min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, round(_STEPS / steps)))
