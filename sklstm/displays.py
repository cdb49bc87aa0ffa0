"""Pictures of training, comparisons, networks, and of what an LSTM does with a text."""

from sklstm._displays.attributions import TokenAttributionDisplay
from sklstm._displays.comparison import ComparisonDisplay
from sklstm._displays.history import TrainingHistoryDisplay
from sklstm._displays.network import NetworkDisplay
from sklstm._displays.states import LSTMStateDisplay

__all__ = [
    "ComparisonDisplay",
    "LSTMStateDisplay",
    "NetworkDisplay",
    "TokenAttributionDisplay",
    "TrainingHistoryDisplay",
]
