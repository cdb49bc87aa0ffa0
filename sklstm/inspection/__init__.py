"""Inspection of fitted classifiers: LSTM states, token attributions, nearest tokens, displays."""

from sklstm.inspection._attributions import TokenAttributions, token_attributions
from sklstm.inspection._class_tokens import ClassTokensDisplay, class_tokens
from sklstm.inspection._confidence_display import ConfidenceDisplay
from sklstm.inspection._displays import (
    NetworkDisplay,
    TokenAttributionDisplay,
    TrainingHistoryDisplay,
)
from sklstm.inspection._label_displays import MultilabelConfusionDisplay, ThresholdDisplay
from sklstm.inspection._neighbors import nearest_tokens
from sklstm.inspection._states import LSTMStateDisplay, LSTMStates, lstm_states

__all__ = [
    "ClassTokensDisplay",
    "ConfidenceDisplay",
    "LSTMStateDisplay",
    "LSTMStates",
    "MultilabelConfusionDisplay",
    "NetworkDisplay",
    "ThresholdDisplay",
    "TokenAttributionDisplay",
    "TokenAttributions",
    "TrainingHistoryDisplay",
    "class_tokens",
    "lstm_states",
    "nearest_tokens",
    "token_attributions",
]
