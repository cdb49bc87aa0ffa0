"""Show the progress of training in Keras's way of telling it: a callback."""

from __future__ import annotations

from typing import Any

from sklstm._progress import progress
from sklstm._runtime import keras


class ShowProgress(keras.callbacks.Callback):
    """Shows steps, epochs and their figures; takes what it is told and leaves the model alone.

    Parameters
    ----------
    verbose : {0, 1, 2}
        Nothing, a line that is redrawn, a line an epoch.
    """

    def __init__(self, verbose: int) -> None:
        super().__init__()
        self._verbose = verbose
        self._shown = progress(0, 0)
        self._n_done = 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin to show."""
        self._shown = progress(self.params["epochs"], self._verbose)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begin an epoch."""
        self._shown.begin_epoch(epoch, self.params["steps"])

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Show the means so far."""
        self._n_done = batch + 1
        self._shown.update(self._n_done, logs or {})

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Show what the epoch came to."""
        self._shown.end_epoch(self._n_done, logs or {})

    def close(self) -> None:
        """End, however training has ended."""
        self._shown.close()
