"""
Multilabel classification
=========================

This example predicts all topics of a message: it can have several topics, or none. Each topic has
its own decision threshold. An LSTM is compared with classic one-vs-rest classifiers.

The messages are synthetic. Some topics are frequent, others are rare.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import classification_report
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MultiLabelBinarizer

from sklstm import (
    ComparisonDisplay,
    MultilabelConfusionDisplay,
    ThresholdDisplay,
    classic_baselines,
    compare,
    make_text_classifier,
)

# sphinx_gallery_thumbnail_number = 1

# %%
# The messages
# ------------
# Each topic contributes one or two words. The word "not" cancels the word that follows it: a
# message with "not late" is no complaint about the delivery. Other words are neutral.

TOPICS = {
    "delivery": "late parcel courier delivered lost shipping",
    "price": "expensive cheap discount price voucher cost",
    "quality": "broken scratched sturdy torn defective loose",
    "service": "rude helpful answered unfriendly phone staff",
    "refund": "refund reimbursed chargeback",
    "privacy": "password leaked spam",
}
FREQUENCIES = [0.4, 0.35, 0.3, 0.25, 0.1, 0.06]
FILLERS = "the a my is was and it so very order today again this i you with of for"


def make_message(topics, rng):
    """Return words of the topics, neutral words, and cancelled words of other topics."""
    phrases = [[word] for word in rng.choice(FILLERS.split(), rng.integers(6, 11))]
    for topic, words in TOPICS.items():
        if topic in topics:
            phrases += [[word] for word in rng.choice(words.split(), rng.integers(1, 3))]
        elif rng.random() < 0.15:
            phrases.append(["not", rng.choice(words.split())])
    return " ".join(word for i in rng.permutation(len(phrases)) for word in phrases[i])


rng = np.random.default_rng(0)
has_topic = rng.random((1_500, len(TOPICS))) < FREQUENCIES
tags = [[topic for topic, has in zip(TOPICS, row, strict=True) if has] for row in has_topic]
messages = pd.DataFrame({"text": [make_message(topics, rng) for topics in tags], "topics": tags})
print(messages.head(4).to_string(index=False, max_colwidth=70))

# %%
# Label indicator
# ---------------
# Classifiers need a matrix with one column per topic, which is 1 for the messages with this topic.

binarizer = MultiLabelBinarizer()
y = pd.DataFrame(binarizer.fit_transform(messages["topics"]), columns=binarizer.classes_)
print(y.sum())
X_train, X_test, y_train, y_test = train_test_split(
    messages["text"], y, test_size=500, random_state=0
)

# %%
# Training
# --------
# The classifier chooses one threshold per topic, on messages that it was not trained on.

model = make_text_classifier("fast", epochs=15, learning_rate=0.01, random_state=0)
model.fit(X_train, y_train)
print(pd.Series(model[-1].thresholds_, y.columns).round(2))
predicted = model.predict(["my parcel was not late but broken", "thank you"])
print(binarizer.inverse_transform(predicted))

# %%
# Test set
# --------
# One confusion matrix per topic, the most frequent first. Colors are proportions of the rows, so
# that rare topics can be compared with frequent ones.

MultilabelConfusionDisplay.from_estimator(model, X_test, y_test)
print(classification_report(y_test, model.predict(X_test), target_names=y.columns, zero_division=0))

# %%
# Thresholds
# ----------
# A smaller threshold finds more messages of a topic, with more false ones among them. Dotted lines
# mark the thresholds of the classifier.

ThresholdDisplay.from_estimator(model, X_test, y_test, labels=["micro", "delivery", "privacy"])

# %%
# Comparison
# ----------
# With ``multilabel=True``, the linear baselines are fitted one-vs-rest. F1 scores depend on the
# thresholds. The label ranking average precision and the precision at 1 depend only on the order of
# the topics: NB-SVM ranks them well, but its fixed threshold does not suit them.

models = {"LSTM": model, **classic_baselines(random_state=0, multilabel=True)}
comparison = compare(models, X_train, y_train, cv=3)
print(comparison)

# %%

ComparisonDisplay.from_comparison(comparison)
plt.show()
