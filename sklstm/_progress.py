"""Display the progress of training: a progress bar, or one line per epoch."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Mapping
from multiprocessing import parent_process
from shutil import get_terminal_size
from time import perf_counter
from typing import IO, Any

#: Values by name, such as "loss" and "accuracy".
Metrics = Mapping[str, float]


class Progress:
    """Base class of the progress displays, which shows nothing.

    Parameters
    ----------
    n_epochs : int
        Maximum number of epochs; 0 for a pass over the data before training.
    unit : str
        Name of the counted unit, such as "step" or "document".
    """

    def __init__(self, n_epochs: int, unit: str) -> None:
        self.n_epochs = n_epochs
        self.unit = unit

    def begin_epoch(self, number: int, n_units: int | None) -> None:
        """Begin an epoch, counted from 0; `n_units` is None if its length is not known."""

    def update(self, n_done: int, metrics: Metrics) -> None:
        """Show the number of finished units of the epoch and their mean metrics."""

    def end_epoch(self, n_done: int, metrics: Metrics) -> None:
        """Show the metrics of the epoch."""

    def close(self) -> None:
        """Finish the display."""

    def _title(self, number: int) -> str:
        return f"Epoch {number + 1}/{self.n_epochs}" if self.n_epochs else "Reading ahead"


class _Lines(Progress):
    """One line per epoch, for logs, pipes and worker processes."""

    def begin_epoch(self, number: int, n_units: int | None) -> None:
        self._number, self._start = number, perf_counter()
        self._first: tuple[int, float] | None = None

    def update(self, n_done: int, metrics: Metrics) -> None:
        if self._first is None:
            self._first = n_done, perf_counter()

    def end_epoch(self, n_done: int, metrics: Metrics) -> None:
        now = perf_counter()
        seconds = per_epoch = now - self._start
        if self._first is not None and self._first[0] < n_done:
            # The first step includes compilation, which later epochs do not repeat.
            n_first, first_end = self._first
            per_epoch = (now - first_end) * n_done / (n_done - n_first)
        parts = _format_metrics(metrics, 4)
        n_left = self.n_epochs - self._number - 1
        left = f", {duration(n_left * per_epoch)} left" if n_left > 0 else ""
        done = "" if self.unit == "step" else f"{n_done:,} {self.unit}s in "
        parts.append(f"{done}{duration(seconds)}{left}")
        print(f"{self._title(self._number)}: {', '.join(parts)}", flush=True)


class _Bar(Progress):
    """A progress bar of tqdm, in a terminal or notebook."""

    _known_length = "{desc} |{bar}| {remaining} left{postfix}"
    _unknown_length = "{desc}: {n_fmt} {unit}s{postfix}"

    def __init__(self, n_epochs: int, unit: str) -> None:
        super().__init__(n_epochs, unit)
        self._bar: Any = None
        self._validation: dict[str, float] = {}

    def begin_epoch(self, number: int, n_units: int | None) -> None:
        if self._bar is not None and self._bar.total is None and n_units is not None:
            self.close()
        if self._bar is None:
            self._start = perf_counter()
            total = None if n_units is None else n_units * (self.n_epochs - number)
            with warnings.catch_warnings():
                # Without ipywidgets, tqdm warns and falls back to a text bar, which is sufficient.
                warnings.simplefilter("ignore")
                from tqdm.auto import tqdm
            options = _width_options(sys.stdout) | {"file": sys.stdout, "unit": self.unit}
            options["bar_format"] = self._unknown_length if total is None else self._known_length
            # The delay hides the bar until the title is set.
            self._bar = tqdm(total=total, delay=1e-9, **options)
        self._n_before = self._bar.n
        self._bar.set_description_str(self._title(number))

    def update(self, n_done: int, metrics: Metrics) -> None:
        # Omit the validation loss, because the width of a line is limited.
        shown = {n: v for n, v in ({**metrics, **self._validation}).items() if n != "val_loss"}
        self._bar.set_postfix_str(", ".join(_format_metrics(shown, 3)), refresh=False)
        if not self._bar.n:
            # The first step includes compilation, so it is excluded from the estimate.
            self._bar.unpause()
        self._bar.update(self._n_before + n_done - self._bar.n)

    def end_epoch(self, n_done: int, metrics: Metrics) -> None:
        self._validation = {n: v for n, v in metrics.items() if n.startswith("val_")}
        self.update(n_done, metrics)
        self._bar.refresh()

    def close(self) -> None:
        if self._bar is not None:
            elapsed = duration(perf_counter() - self._start)
            done = "{desc}: {n_fmt} {unit}s in " if self._bar.total is None else "{desc} |{bar}| "
            self._bar.bar_format = done + elapsed + "{postfix}"
            if self._bar.total is not None:
                # Fill the bar, because training is complete even if early stopping ended it.
                self._bar.total = self._bar.n
            self._bar.close()
            self._bar = None


def progress(n_epochs: int, verbose: int, unit: str = "step") -> Progress:
    """Return a display of the progress of training.

    Parameters
    ----------
    n_epochs : int
        Maximum number of epochs; 0 for a pass over the data before training.
    verbose : {0, 1, 2}
        0 shows nothing, 1 a progress bar if `sys.stdout` supports it, 2 one line per epoch.
    unit : str
        Name of the counted unit, such as "step" or "document".

    Returns
    -------
    progress : Progress
        The display. Call its `close` when training ends.
    """
    if not verbose:
        return Progress(n_epochs, unit)
    kind = _Bar if verbose == 1 and _can_redraw(sys.stdout) else _Lines
    return kind(n_epochs, unit)


def duration(seconds: float) -> str:
    """Format a time, such as "0.4 s", "3 min 20 s" or "2 h 5 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _can_redraw(stream: object) -> bool:
    package = type(stream).__module__.partition(".")[0]
    if package == "ipykernel":
        # A notebook is not a terminal, but can redraw a line.
        return True
    # scikit-learn's ProgressBar redraws its line from a separate thread.
    threads = {type(thread).__name__ for thread in threading.enumerate()}
    if package == "rich" or "RichProgressMonitor" in threads:
        # The last line is used by another display.
        return False
    # Worker processes would all write to the same line.
    return getattr(stream, "isatty", bool)() and parent_process() is None


def _width_options(stream: IO[str]) -> dict[str, object]:
    """Return the options of tqdm for the maximum width of a line."""
    if not stream.isatty():
        return {}  # tqdm handles notebooks itself.
    # Terminals in containers may have no size.
    return {"dynamic_ncols": True} if get_terminal_size((0, 0)).columns else {"ncols": 80}


def _format_metrics(metrics: Metrics, n_digits: int) -> list[str]:
    """Format names and values: the loss first and validation metrics last."""
    parts = []
    for name in sorted(metrics, key=lambda name: (name[:4] == "val_", not name.endswith("loss"))):
        is_tiny = 0 < abs(metrics[name]) < 10.0**-n_digits
        parts.append(f"{name} {metrics[name]:{'.1e' if is_tiny else f'.{n_digits}f'}}")
    return parts
