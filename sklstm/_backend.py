"""Settle which Keras backend to use before Keras is first imported."""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Keras backends in the order in which they are tried.
BACKENDS = ("jax", "tensorflow", "torch")


def _installed_backends() -> list[str]:
    return [name for name in BACKENDS if find_spec(name) is not None]


def _configured_backend() -> str | None:
    """Return the backend that the user's ``keras.json`` asks for, if any.

    Keras itself writes ``"tensorflow"`` there on its first import, whatever is installed, so that
    value is not taken for a wish.
    """
    home = Path(os.environ.get("KERAS_HOME", Path("~").expanduser() / ".keras"))
    try:
        name = json.loads((home / "keras.json").read_text(encoding="utf-8")).get("backend")
    except (OSError, ValueError, AttributeError):
        return None
    return name if name in BACKENDS and name != "tensorflow" else None


def settle_backend() -> None:
    """Choose the Keras backend of this process, unless the user or Keras has done so.

    A ``KERAS_BACKEND`` in the environment and an already imported Keras are left alone. Otherwise
    the backend of the user's ``keras.json`` is taken if it is installed, else the first installed
    one of `BACKENDS`. The choice is written to ``KERAS_BACKEND``, so that worker processes
    inherit it.

    Raises
    ------
    ImportError
        If no Keras backend is installed, or ``KERAS_BACKEND`` asks for one that is not, or that
        cannot train.
    """
    if "keras" in sys.modules:
        return
    installed = _installed_backends()
    wanted = os.environ.get("KERAS_BACKEND")
    if wanted:
        if wanted not in installed:
            raise ImportError(_refusal(wanted, installed))
        return
    if not installed:
        raise ImportError(
            "Keras needs a backend, and none of jax, tensorflow and torch is installed; "
            "`pip install jax` gives one."
        )
    configured = _configured_backend()
    os.environ["KERAS_BACKEND"] = configured if configured in installed else installed[0]


def _refusal(wanted: str, installed: list[str]) -> str:
    """Say why the backend that ``KERAS_BACKEND`` asks for cannot be used, and what can."""
    usable = f"one of {', '.join(installed)}" if installed else "jax, after `pip install jax`"
    if wanted in BACKENDS:
        return (
            f"KERAS_BACKEND={wanted!r}, but {wanted} is not installed. "
            f"`pip install {wanted}`, or set KERAS_BACKEND to {usable}."
        )
    return f"KERAS_BACKEND={wanted!r} is no backend that can train. Set it to {usable}."


def handed_over(array: NDArray[Any]) -> Any:
    """Return an array as Keras takes it at the least cost.

    Of a numpy array Keras makes one of JAX by a function that is compiled for each shape. The
    result may share memory with `array`, which JAX never writes to, even where it is donated.
    """
    import keras

    if keras.backend.backend() != "jax":
        return array
    import jax

    return jax.device_put(array)


def __getattr__(name: str) -> Any:
    """Import Keras on the first ``from sklstm._backend import keras``."""
    if name != "keras":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    settle_backend()
    import keras

    globals()["keras"] = keras
    return keras
