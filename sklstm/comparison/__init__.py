"""Comparison of classifiers by cross-validation on the same folds."""

from sklstm.comparison._compare import compare
from sklstm.comparison._results import Comparison, ComparisonDisplay

__all__ = ["Comparison", "ComparisonDisplay", "compare"]
