"""Show how far training is: one line that is redrawn, or plain lines where that cannot be."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Mapping
from multiprocessing import parent_process
from shutil import get_terminal_size
from time import perf_counter
from typing import Any

#: Values by name, such as "loss" and "accuracy".
Figures = Mapping[str, float]


class Progress:
    """Shows nothing; what others show, they do by the same methods.

    Parameters
    ----------
    n_epochs : int
        How many there are at most.
    unit : str
        What is counted within an epoch.
    """

    def __init__(self, n_epochs: int, unit: str) -> None:
        self.n_epochs = n_epochs
        self.unit = unit

    def begin_epoch(self, number: int, n_units: int | None) -> None:
        """Begin an epoch, counted from 0, of so many units; None where that is not known."""

    def update(self, n_done: int, figures: Figures) -> None:
        """Show how many units of the epoch are done, and their means so far."""

    def end_epoch(self, n_done: int, figures: Figures) -> None:
        """Show what the epoch came to."""

    def close(self) -> None:
        """Leave the last line as it is; nothing more will be shown."""

    def _title(self, number: int) -> str:
        return f"Epoch {number + 1}/{self.n_epochs}" if self.n_epochs else "Reading ahead"


class _Lines(Progress):
    """A line an epoch, for logs, pipes and workers."""

    def begin_epoch(self, number: int, n_units: int | None) -> None:
        self._number, self._start = number, perf_counter()
        self._first: tuple[int, float] | None = None

    def update(self, n_done: int, figures: Figures) -> None:
        if self._first is None:
            self._first = n_done, perf_counter()

    def end_epoch(self, n_done: int, figures: Figures) -> None:
        now = perf_counter()
        seconds = per_epoch = now - self._start
        if self._first is not None and self._first[0] < n_done:
            # The first step of all compiles, and says nothing about the epochs to come.
            n_first, when = self._first
            per_epoch = (now - when) * n_done / (n_done - n_first)
        said = _said(figures, 4)
        n_left = self.n_epochs - self._number - 1
        left = f", {duration(n_left * per_epoch)} left" if n_left > 0 else ""
        done = "" if self.unit == "step" else f"{n_done:,} {self.unit}s in "
        said.append(f"{done}{duration(seconds)}{left}")
        print(f"{self._title(self._number)}: {', '.join(said)}", flush=True)


class _Bar(Progress):
    """One line that is redrawn: by tqdm, which knows terminals and notebooks."""

    _counting = "{desc} |{bar}| {remaining} left{postfix}"
    _endless = "{desc}: {n_fmt} {unit}s{postfix}"

    def __init__(self, n_epochs: int, unit: str) -> None:
        super().__init__(n_epochs, unit)
        self._bar: Any = None
        self._before = 0
        self._validation: dict[str, float] = {}

    def begin_epoch(self, number: int, n_units: int | None) -> None:
        if self._bar is not None and self._bar.total is None and n_units is not None:
            self.close()
        if self._bar is None:
            self._start = perf_counter()
            total = None if n_units is None else n_units * (self.n_epochs - number)
            self._bar = _new_bar(
                total=total,
                unit=self.unit,
                bar_format=self._endless if total is None else self._counting,
                file=sys.stdout,
                delay=1e-9,  # Nothing is shown before it has its title.
                **_width(sys.stdout),
            )
        self._before = self._bar.n
        self._bar.set_description_str(self._title(number))

    def update(self, n_done: int, figures: Figures) -> None:
        # There is room for one score and one loss in a line.
        shown = {n: v for n, v in ({**figures, **self._validation}).items() if n != "val_loss"}
        self._bar.set_postfix_str(", ".join(_said(shown, 3)), refresh=False)
        if not self._bar.n:
            # The first step compiles, and says nothing about how long the others take.
            self._bar.unpause()
        self._bar.update(self._before + n_done - self._bar.n)

    def end_epoch(self, n_done: int, figures: Figures) -> None:
        self._validation = {n: v for n, v in figures.items() if n.startswith("val_")}
        self.update(n_done, figures)
        self._bar.refresh()

    def close(self) -> None:
        if self._bar is not None:
            took = duration(perf_counter() - self._start)
            if self._bar.total is not None:
                # Early stopping leaves epochs out, and that is no failure.
                self._bar.total = self._bar.n
                self._bar.bar_format = f"{{desc}} |{{bar}}| {took}{{postfix}}"
            else:
                self._bar.bar_format = f"{{desc}}: {{n_fmt}} {{unit}}s in {took}{{postfix}}"
            self._bar.close()
            self._bar = None


def progress(n_epochs: int, verbose: int, unit: str = "step") -> Progress:
    """Return what shows the progress of `n_epochs` epochs; 0 stands for reading ahead.

    Parameters
    ----------
    n_epochs : int
        How many there are at most.
    verbose : {0, 1, 2}
        Show nothing; a line that is redrawn, where `sys.stdout` can; a line an epoch.
    unit : str
        What is counted within an epoch.
    """
    if not verbose:
        return Progress(n_epochs, unit)
    kind = _Bar if verbose == 1 and _can_redraw(sys.stdout) else _Lines
    return kind(n_epochs, unit)


def duration(seconds: float) -> str:
    """Return a time in words, such as "0.4 s", "3 min 20 s" or "2 h 5 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _can_redraw(stream: Any) -> bool:
    package = type(stream).__module__.partition(".")[0]
    if package == "ipykernel":
        # A notebook: no terminal, and can go back in a line all the same.
        return True
    if package == "rich" or _a_bar_of_scikit_learn_starts():
        # Another display has the last line, such as the ProgressBar of scikit-learn.
        return False
    # The workers of a search would all write to the same line.
    return getattr(stream, "isatty", bool)() and parent_process() is None


def _a_bar_of_scikit_learn_starts() -> bool:
    """Return whether its ProgressBar is there, whose thread takes the stream some time later."""
    return any(type(one).__name__ == "RichProgressMonitor" for one in threading.enumerate())


def _width(stream: Any) -> dict[str, Any]:
    """Return how tqdm is to find out how wide a line may be."""
    if not stream.isatty():
        return {}  # A notebook has its own ways.
    # Terminals in containers may have no size.
    return {"dynamic_ncols": True} if get_terminal_size((0, 0)).columns else {"ncols": 80}


def _new_bar(**how: Any) -> Any:
    with warnings.catch_warnings():
        # In a notebook without ipywidgets tqdm says that it goes on with text, which looks right.
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm
    return tqdm(**how)


def _said(figures: Figures, n_digits: int) -> list[str]:
    """Return names and values, the loss first and validation last, whatever order Keras has."""
    names = sorted(figures, key=lambda name: (name.startswith("val_"), not name.endswith("loss")))
    return [f"{name} {_digits(figures[name], n_digits)}" for name in names]


def _digits(value: float, n_digits: int) -> str:
    is_tiny = 0 < abs(value) < 10.0**-n_digits
    return f"{value:.1e}" if is_tiny else f"{value:.{n_digits}f}"
