"""LSTM text classification with the scikit-learn estimator API."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sklstm.baselines import NBSVMClassifier as NBSVMClassifier
    from sklstm.baselines import classic_baselines as classic_baselines
    from sklstm.classifier import LSTMTextClassifier as LSTMTextClassifier
    from sklstm.comparison import Comparison as Comparison
    from sklstm.comparison import ComparisonDisplay as ComparisonDisplay
    from sklstm.comparison import compare as compare
    from sklstm.export import to_onnx as to_onnx
    from sklstm.inspection import ClassTokensDisplay as ClassTokensDisplay
    from sklstm.inspection import ConfidenceDisplay as ConfidenceDisplay
    from sklstm.inspection import LSTMStateDisplay as LSTMStateDisplay
    from sklstm.inspection import MultilabelConfusionDisplay as MultilabelConfusionDisplay
    from sklstm.inspection import NetworkDisplay as NetworkDisplay
    from sklstm.inspection import ThresholdDisplay as ThresholdDisplay
    from sklstm.inspection import TokenAttributionDisplay as TokenAttributionDisplay
    from sklstm.inspection import TrainingHistoryDisplay as TrainingHistoryDisplay
    from sklstm.inspection import class_tokens as class_tokens
    from sklstm.inspection import lstm_states as lstm_states
    from sklstm.inspection import nearest_tokens as nearest_tokens
    from sklstm.inspection import token_attributions as token_attributions
    from sklstm.keras_classifier import KerasTextClassifier as KerasTextClassifier
    from sklstm.pipeline import make_text_classifier as make_text_classifier
    from sklstm.reporting import Report as Report
    from sklstm.reporting import report as report
    from sklstm.selective import SelectiveClassifier as SelectiveClassifier
    from sklstm.sequencer import TextSequencer as TextSequencer
    from sklstm.stacking import OutOfFoldTransformer as OutOfFoldTransformer
    from sklstm.streaming import fit_stream as fit_stream
    from sklstm.tuning import TunedTextClassifier as TunedTextClassifier
    from sklstm.vectors import WordVectors as WordVectors

__version__ = "0.2.0"

# Public names by module, imported at first use (PEP 562), so that `import sklstm` is fast.
_NAMES = {
    "baselines": "NBSVMClassifier classic_baselines",
    "classifier": "LSTMTextClassifier",
    "comparison": "Comparison ComparisonDisplay compare",
    "export": "to_onnx",
    "inspection": "ClassTokensDisplay ConfidenceDisplay LSTMStateDisplay "
    "MultilabelConfusionDisplay NetworkDisplay ThresholdDisplay TokenAttributionDisplay "
    "TrainingHistoryDisplay class_tokens lstm_states nearest_tokens token_attributions",
    "keras_classifier": "KerasTextClassifier",
    "pipeline": "make_text_classifier",
    "reporting": "Report report",
    "selective": "SelectiveClassifier",
    "sequencer": "TextSequencer",
    "stacking": "OutOfFoldTransformer",
    "streaming": "fit_stream",
    "tuning": "TunedTextClassifier",
    "vectors": "WordVectors",
}
_EXPORTS = {name: f"sklstm.{module}" for module in _NAMES for name in _NAMES[module].split()}
__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
