"""Pictures of training, networks, and of what an LSTM does with a text."""

from sklstm._displays.attributions import TokenAttributionDisplay
from sklstm._displays.history import TrainingHistoryDisplay
from sklstm._displays.network import NetworkDisplay
from sklstm._displays.states import LSTMStateDisplay

__all__ = [
    "LSTMStateDisplay",
    "NetworkDisplay",
    "TokenAttributionDisplay",
    "TrainingHistoryDisplay",
]

# Where they are imported from is where they are to be found, in the reference and in links to it.
for _display in __all__:
    globals()[_display].__module__ = __name__
