"""make_text_classifier: pipelines with the parameters of a preset."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import LABELS, TEXTS
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline

from sklstm import LSTMTextClassifier, TextSequencer, WordVectors, make_text_classifier

WORDS = ["film", "fine", "dull", "splendid"]
VECTORS = WordVectors(WORDS, np.eye(4))
PRESETS = ("fast", "balanced", "accurate")
SMALL = {"units": 4, "epochs": 2, "random_state": 0}


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_learn_to_tell_texts_apart(preset):
    model = make_text_classifier(preset, units=4, epochs=20, learning_rate=0.02, random_state=0)
    assert model.fit(TEXTS, LABELS).score(TEXTS, LABELS) > 0.9
    assert model.predict_proba(TEXTS).shape == (12, 2)


def test_steps_are_a_sequencer_and_a_classifier():
    model = make_text_classifier()
    assert isinstance(model, Pipeline)
    assert list(model.named_steps) == ["textsequencer", "lstmtextclassifier"]
    assert isinstance(model[0], TextSequencer)
    assert isinstance(model[1], LSTMTextClassifier)
    described = [str(make_text_classifier(preset).get_params()) for preset in PRESETS]
    assert len(set(described)) == 3


def test_parameters_of_both_steps_replace_those_of_the_preset():
    model = make_text_classifier("fast", max_len=7, stop_words="english", units=5, random_state=3)
    assert model[0].max_len == 7
    assert model[0].stop_words == "english"
    assert model[1].units == 5
    assert model[1].random_state == 3


@pytest.mark.parametrize("preset", PRESETS)
def test_vectors_are_given_to_both_steps(preset, tmp_path):
    path = tmp_path / "vectors.txt"
    rows = zip(WORDS, np.eye(4), strict=True)
    path.write_text("".join(f"{word} {' '.join(map(str, row))}\n" for word, row in rows))
    for vectors in (VECTORS, path, str(path)):
        model = make_text_classifier(preset, vectors=vectors)
        assert model[0].vocabulary is model[1].embedding_weights
        assert model[0].vocabulary.tokens.tolist() == WORDS
        np.testing.assert_array_equal(model[0].vocabulary.matrix, np.eye(4))


def test_a_pipeline_with_vectors_is_cross_validated_and_cloned_without_copies():
    model = make_text_classifier("fast", vectors=VECTORS, **SMALL)
    scores = cross_val_score(model, TEXTS, LABELS, cv=3, error_score="raise")
    assert np.isfinite(scores).all()
    assert clone(model)[1].embedding_weights is VECTORS
    # "splendid" does not occur in the training texts but has a vector.
    fitted = model.fit(TEXTS, LABELS)
    one, other = fitted.decision_function(["splendid", "zzz"])
    assert one != other


def test_wrong_arguments_are_refused():
    with pytest.raises(
        ValueError, match="preset='best' must be one of 'fast', 'balanced', 'accurate'"
    ):
        make_text_classifier("best")
    with pytest.raises(TypeError, match=r"'unit' is a .* neither .* did you mean 'units'"):
        make_text_classifier(unit=3)
    with pytest.raises(TypeError, match="'xyz' is a parameter of neither"):
        make_text_classifier(xyz=3)
    for name in ("vocabulary", "embedding_weights", "embedding_dim"):
        with pytest.raises(ValueError, match=f"{name} is set by vectors; pass one of the two"):
            make_text_classifier(vectors=VECTORS, **{name: None})
    with pytest.raises(OSError, match="absent"):
        make_text_classifier(vectors="absent.txt")


def test_one_seed_gives_one_classifier():
    one, again = (
        make_text_classifier("fast", **SMALL).fit(TEXTS, LABELS).predict_proba(TEXTS)
        for _ in range(2)
    )
    np.testing.assert_array_equal(one, again)
