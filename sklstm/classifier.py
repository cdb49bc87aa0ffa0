"""LSTMTextClassifier: an LSTM network as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from functools import cache
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from sklstm import _validation as check
from sklstm._base import SHARED_CONSTRAINTS, BaseTextClassifier, Seeds
from sklstm._network import embedding_table as tables
from sklstm._network import spec as specs
from sklstm._network.embedding_table import FittedNetwork
from sklstm._network.hashed_ngrams import MAX_NGRAM
from sklstm._network.linear_model import MAX_SHORT, LinearModel, fit_linear_model
from sklstm._network.pooling import POOLINGS
from sklstm._network.prefixes import find_prefixes
from sklstm._network.saved_state import check_saved_state, pack_scores
from sklstm._network.spec import EMBEDDINGS, Floats, NetworkSpec, Weights
from sklstm._network.summary import Summary, summarize
from sklstm._persistence import unpack_state
from sklstm._sklearn import Interval, StrOptions
from sklstm._training import data as prepare
from sklstm._training.data import Documents, Examples, TrainingData, TrainingRun, prior_logits
from sklstm._validation import ClassWeight
from sklstm._vocabulary import OOV_ID
from sklstm.vectors import WordVectors

if TYPE_CHECKING:
    import keras

    from sklstm._network.network import BaseNetwork, Logs, Network

__all__ = ["LSTMTextClassifier"]

_POSITIVE = [Interval(Integral, 1, None, closed="left")]
_SIZES = [*_POSITIVE, list, tuple, np.ndarray]
_DROPOUT = [Interval(Real, 0, 1, closed="left")]
# embedding_dropout="auto": pretrained vectors overfit less, so they need less dropout.
_EMBEDDING_DROPOUT, _PRETRAINED_DROPOUT = 0.8, 0.5
# embedding_weights="auto": minimum number of tokens of the training documents from which on vectors
# from their co-occurrences improve the accuracy.
_MIN_TOKENS = 20_000
# epochs="auto": maximum number of epochs, and that for short documents whose initial vectors are
# not random.
_MAX_EPOCHS, _MAX_EPOCHS_PRETRAINED = 20, 40
# label_smoothing="auto" for more than two classes, and for multilabel data.
_LABEL_SMOOTHING = 0.1
# Fields of a spec that are not copied from the parameter of the same name.
_RESOLVED_FIELDS = {"trainable_ngrams", "token_scores", "embedding_dropout"}
# Fields of a spec that determine the shapes of the weights. They must not change when training is
# resumed.
_SHAPE_FIELDS = [
    "vocab_size",
    "n_outputs",
    "embedding_dim",
    "units",
    "bidirectional",
    "pooling",
    "dense_units",
    "ngrams",
    "ngram_buckets",
    "width",
]


def _max_auto_epochs(training: Examples, has_vectors: bool) -> int:
    # With random vectors, more epochs overfit small data sets. For long documents, they take long.
    is_short = training.lengths.mean() <= MAX_SHORT
    return _MAX_EPOCHS_PRETRAINED if has_vectors and is_short else _MAX_EPOCHS


class LSTMTextClassifier(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseTextClassifier):
    """Classify texts, given as token ids, with a long short-term memory (LSTM) network.

    The network consists of an embedding, one or more LSTM layers [1]_, pooling over time, and a
    dense head. It is trained with Keras to minimize the cross-entropy. `TextSequencer` converts
    texts to token ids.

    Parameters
    ----------
    units : int or sequence of int, default=64
        Number of units of the LSTM layer; a sequence stacks several layers. Doubling the number of
        units slightly more than doubles the training time. On short texts, more than 64 units
        hardly improved the accuracy.
    bidirectional : bool, default=True
        Whether each layer processes the text in both directions, with `units` units per direction
        [2]_, which doubles the training time of the layer. On short texts the gain in accuracy was
        negligible.
    pooling : str, default="max"
        Method that combines the outputs for all tokens into one document vector: "last" is the
        output after the last token, "max" and "mean" are the maximum and mean over tokens,
        "attention" is a mean weighted by learned relevance [3]_, "concat" concatenates last, max
        and mean, and "flatten" concatenates all outputs. See the user guide for details. All
        methods take about the same time, and on short texts their accuracies did not differ
        significantly. With "flatten", the number of weights grows with the width of X.
    embedding_dim : int, default=64
        Size of the token vectors. Not used if vectors are passed as `embedding_weights`. The number
        of embedding weights is proportional to this size; the training time grows more slowly.
    embedding_weights : WordVectors, array-like, {"auto", "cooccurrence"} or None, default="auto"
        Initial token vectors. "cooccurrence" computes them from the training documents: tokens that
        occur in similar contexts have similar vectors, as in `WordVectors.from_texts`. "auto" does
        so if the documents have at least 20,000 tokens, but not in `partial_fit`; otherwise, and
        with None, the vectors are random. Pretrained vectors are passed as `WordVectors` or as an
        array of shape (vocab_size, embedding_dim). With `WordVectors`, only the words seen in
        training take time and memory in the network, and unseen words have vectors at prediction.
        With few or short texts, pretrained vectors improve accuracy more than any other parameter.
        Vectors from the training documents improve it slightly, in about the same time. Vectors
        that are not random are also features of the linear model (see `ngrams`).
    trainable_embeddings : bool, default=True
        Whether training changes the token vectors. Frozen vectors reduced the accuracy on short
        texts.
    vocab_size : int or None, default=None
        Size of the id space, including padding and the out-of-vocabulary token. Ids outside it are
        treated as out-of-vocabulary. None infers the size from `embedding_weights` or from the
        largest id in X. A larger size takes more memory, but hardly more time.
    dense_units : int or sequence of int, default=()
        Units of the dense layers between pooling and output. Dense layers take little time, because
        they are applied once per document, not once per token.
    activation : str, default="tanh"
        Keras activation of the cell input and output in the LSTM layers. Any activation other than
        "tanh" disables the fast loop over time.
    dense_activation : str, default="relu"
        Keras activation of the dense layers. The effect on time is negligible.
    ngrams : int, default=2
        Maximum length, in tokens, of the n-grams used by an additional linear model: 0 for no
        n-grams, 1 for unigrams, 2 for unigrams and bigrams, up to 5. The score of a document is the
        mean of the n-gram score and the LSTM score, which are trained independently. The
        linear model is fitted before the LSTM is trained, by logistic regression on features scaled
        by naive Bayes [7]_; only `partial_fit` trains its weights by gradient descent. If X is what
        `TextSequencer` returned, the prefixes of the tokens are also features. For long
        documents and many classes, n-grams often improve accuracy more than any other parameter.
        The number of weights grows with the number of distinct n-grams.
    ngram_buckets : int or None, default=None
        Number of hash buckets for n-grams; None for about eight times the number of n-grams that
        occur in several documents, between 2**12 and 2**20. With fewer buckets, the model takes
        less memory, but more n-grams have no weight, because a bucket has the weight of one n-gram.
    mask_padding : bool, default=True
        Whether padding is masked, so that it has no effect on scores. With False, padding is
        processed like a token, as in many tutorials, and short documents take as much time as long
        ones.
    invalid_ids : {"error", "unknown"}, default="error"
        Treatment of negative and fractional numbers in X, which are not token ids: "error" raises
        an error, and "unknown" treats them as the out-of-vocabulary token, for services that must
        answer every request. No effect on time.
    embedding_dropout : float or "auto", default="auto"
        Fraction of the embedding outputs that is dropped in training, to reduce overfitting. All
        dropout rates are in [0, 1). "auto" is 0.8 for random initial vectors, and 0.5 for others.
        The effect on time is negligible.
    input_dropout : float, default=0.0
        Fraction of the inputs of each LSTM layer that is dropped in training, with the same dropout
        mask at all time steps of a text. Supported by the fast loop over time.
    recurrent_dropout : float, default=0.0
        Fraction of the recurrent state that is dropped in training, with the same dropout mask at
        all time steps of a text [4]_. Slow, because it disables the fast loop over time.
    dropout : float, default=0.0
        Fraction of the outputs of each LSTM layer that is dropped in training. The effect on time
        is negligible.
    dense_dropout : float, default=0.0
        Fraction of the outputs of each dense layer that is dropped in training. The effect on time
        is negligible.
    weight_decay : float, default=0.0
        Decoupled weight decay per step, of all weights except biases [5]_.
    label_smoothing : float or "auto", default="auto"
        Fraction of each label that is distributed evenly over all classes in the loss; in [0, 1).
        For multilabel data, over the presence and absence of each label. "auto" is 0.1, and 0 for
        two classes: smoothing improved accuracy with several classes or labels, and reduced it
        slightly with two. No effect on time.
    optimizer : str, default="adam"
        Keras optimizer: "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "ftrl",
        "lion", "nadam", "rmsprop" or "sgd". "adam" stores two more values per weight, "sgd" none.
    learning_rate : float, default=0.005
        Learning rate of the optimizer. A low learning rate needs more epochs; with a high one the
        loss may become infinite.
    learning_rate_schedule : {"constant", "one_cycle"}, default="one_cycle"
        "one_cycle" increases the learning rate to `learning_rate` in the first quarter of training,
        and then decreases it to almost zero [8]_. `partial_fit` always uses a constant rate. After
        the same number of epochs, "one_cycle" with a several times higher `learning_rate` was more
        accurate than a constant rate.
    epochs : int or "auto", default="auto"
        Number of passes over the documents; the maximum number with early stopping. "auto" runs
        about 400 optimizer steps, or 50 steps per class if there are more than eight classes or
        labels, in 3 to 20 epochs; if the initial token vectors are not random and the documents are
        short, in up to 40 epochs. The training time is proportional to the number of epochs. Small
        data sets and many classes need more epochs; with too many epochs the network overfits.
    batch_size : int, default=64
        Maximum number of documents per optimizer step. Larger batches can use more cores, because
        they consist of more micro-batches of 16 or 32 documents, but give fewer steps per epoch.
    clipnorm : float or None, default=1.0
        Maximum Euclidean norm of the gradient of each weight array; None disables clipping.
        Clipping prevents the loss from becoming infinite.
    average_weights : bool, default=False
        Whether to use the mean of the weights over the steps of an epoch as the result of the epoch
        [6]_. This often improves accuracy as much as another epoch, and needs memory for a second
        copy of the weights.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Weight of each class in the loss; "balanced" for weights inversely proportional to the class
        frequencies. For multilabel data, a dict has the weights of the labels, by column of y,
        where a document has the label; a list has a dict of the weights of 0 and 1 for each label;
        and "balanced" balances 0 and 1 of each label. Higher weights of rare classes increase their
        recall at the expense of frequent classes. No effect on time.
    early_stopping : bool, default=False
        Whether to stop training when the score on a validation set no longer improves, and to
        restore the weights of the best epoch. This reduces overfitting. The validation set is not
        used for training, and its evaluation takes time after each epoch. `fit` warns if the
        validation set has fewer than five documents of a class.
    validation_fraction : float, default=0.1
        Fraction of the documents that are used as the validation set for early stopping, stratified
        by class, or by the rarest label of each document. Ignored if `X_val` is passed to `fit`. A
        larger fraction gives a more reliable validation score, but leaves fewer documents for
        training.
    n_iter_no_change : int, default=5
        Number of epochs without improvement after which early stopping ends training. Epochs in
        which the learning rate still increases do not count. A larger number takes more time, and
        is less sensitive to noise in the validation score.
    tol : float, default=1e-4
        Minimum increase of the validation score that counts as an improvement. With a larger
        value, training stops earlier.
    scoring : str or callable, default="loss"
        Validation score for early stopping, as in ``HistGradientBoostingClassifier``: "loss" is the
        negative cross-entropy, which also improves while the predicted classes do not change, as at
        the beginning of training on imbalanced classes. Others are a name of a scorer of
        scikit-learn, such as "f1_macro" or "average_precision", or a callable ``scorer(classifier,
        X, y)``, whose classifier can only predict the validation set. Equal scores are compared by
        the loss.
    threshold : float, array-like of shape (n_labels,) or "auto", default="auto"
        Probability from which on `predict` returns a label of multilabel data, or the second of two
        classes. "auto" is 0.5 for two classes. For multilabel data it chooses a threshold for each
        label, which increases the F1 score: on the validation set, if there is one, and otherwise
        on a fifth of the documents, after an additional fit to the others, which almost doubles the
        training time. With fewer than 50 documents, "auto" is 0.5.
    callbacks : list of keras.callbacks.Callback or None, default=None
        Keras callbacks, called as by `keras.Model.fit` with the metrics in ``history_``. They slow
        down training, because each step has to wait for the previous one.
    warm_start : bool, default=False
        Whether `fit` starts from the weights of the previous call.
    random_state : int, RandomState instance or None, default=None
        Source of all randomness: initial weights, document order, dropout, validation split. An int
        gives bit-identical weights in each call; None gives different weights. On most data sets,
        the standard deviation of the accuracy over seeds was at most 0.007.
    verbose : {0, 1, 2}, default=0
        0 shows nothing, 1 a progress bar with the remaining time, and 2 one line per epoch. Where a
        bar cannot be redrawn, such as in a log file, 1 also shows lines. No effect on time.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted class labels; the column indices if y is a label indicator matrix.
    n_features_in_ : int
        Number of ids per row of X.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Column names of X, if all of them are strings.
    vocab_size_ : int
        Size of the id space.
    embedding_ids_ : ndarray of int32 of shape (n_rows,)
        Token id of each row of ``weights_["embedding/embeddings"]``: all ids in order, or with
        `WordVectors` the ids seen in training.
    n_parameters_ : int
        Number of weights of the network, including frozen ones.
    weights_ : dict of str to ndarray of float32
        The weights, with names such as "lstm_1/recurrent_kernel". The LSTM gates are in the order
        input, forget, cell, output, as in Keras.
    history_ : dict of str to list of float
        One value per epoch for each metric: "loss" (cross-entropy, in nats) and "accuracy" on the
        training documents, "val_loss" and "val_accuracy" if there is a validation set, and
        "val_score" for early stopping with another `scoring` than "loss".
    loss_curve_ : list of float
        ``history_["loss"]``.
    n_iter_ : int
        Number of epochs in the last call of `fit` or `partial_fit`.
    thresholds_ : ndarray of float64 of shape (n_labels,) or (1,)
        Probability of each label from which on it is predicted, or of the second of two classes.
    best_validation_score_ : float
        Best validation score according to `scoring`. Defined only with early stopping.
    best_epoch_ : int
        Epoch of the best validation score, whose weights were restored, counted from 1. Defined
        only with early stopping.

    See Also
    --------
    TextSequencer : Converts texts to token ids.
    make_text_classifier : Creates a pipeline with recommended parameters.
    classic_baselines : Baselines for a comparison.

    Notes
    -----
    Statements about accuracy are based on seven text data sets, most of them on the questions of
    TREC ("short texts") and the film reviews of IMDB ("long texts"). Statements about time are
    based on the JAX backend on two cores. ``benchmarks/ablation.py`` measures the effect of single
    parameters on accuracy, and the page on speed of the documentation contains times.

    The array that `TextSequencer` returns has the token of each id, like a DataFrame has the names
    of its columns. From it, `fit` learns the scores of prefixes of three to six characters, which
    are added to the scores of the tokens that begin with them: "enjoyed" and "enjoyable" share four
    prefixes. Other arrays of ids, such as ``numpy.asarray(ids)``, have no tokens, and no prefixes
    are used. Predictions need only ids.

    References
    ----------
    .. [1] S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8),
       1997.
    .. [2] M. Schuster and K. Paliwal, "Bidirectional recurrent neural networks", IEEE
       Transactions on Signal Processing 45(11), 1997.
    .. [3] Z. Yang et al., "Hierarchical attention networks for document classification", NAACL
       2016.
    .. [4] Y. Gal and Z. Ghahramani, "A theoretically grounded application of dropout in
       recurrent neural networks", NeurIPS 2016.
    .. [5] I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019.
    .. [6] B. Polyak and A. Juditsky, "Acceleration of stochastic approximation by averaging",
       SIAM Journal on Control and Optimization 30(4), 1992.
    .. [7] S. Wang and C. Manning, "Baselines and bigrams: simple, good sentiment and topic
       classification", ACL 2012.
    .. [8] L. Smith and N. Topin, "Super-convergence: very fast training of neural networks using
       large learning rates", SPIE 2019.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklstm import LSTMTextClassifier, TextSequencer
    >>> texts = ["a fine film", "a dull film", "fine and moving", "dull and slow"]
    >>> labels = ["good", "bad", "good", "bad"]
    >>> model = make_pipeline(
    ...     TextSequencer(),
    ...     LSTMTextClassifier(units=8, epochs=20, learning_rate=0.02, random_state=0),
    ... )
    >>> model.fit(texts, labels).predict(["a fine and moving film", "slow"]).tolist()
    ['good', 'bad']
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "units": _SIZES,
        "bidirectional": ["boolean"],
        "pooling": [StrOptions(set(POOLINGS))],
        "embedding_dim": _POSITIVE,
        "embedding_weights": [StrOptions({"auto", "cooccurrence"}), "array-like", None],
        "trainable_embeddings": ["boolean"],
        "dense_units": _SIZES,
        "activation": [StrOptions(set(specs.ACTIVATIONS))],
        "dense_activation": [StrOptions(set(specs.ACTIVATIONS))],
        "ngrams": [Interval(Integral, 0, MAX_NGRAM, closed="both")],
        "ngram_buckets": [Interval(Integral, 2, None, closed="left"), None],
        "mask_padding": ["boolean"],
        "embedding_dropout": [*_DROPOUT, StrOptions({"auto"})],
        "input_dropout": _DROPOUT,
        "recurrent_dropout": _DROPOUT,
        "dropout": _DROPOUT,
        "dense_dropout": _DROPOUT,
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "label_smoothing": [*_DROPOUT, StrOptions({"auto"})],
        "optimizer": [StrOptions(set(specs.OPTIMIZERS))],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "batch_size": _POSITIVE,
        "clipnorm": [Interval(Real, 0, None, closed="neither"), None],
        "callbacks": [list, tuple, None],
        "verbose": [Interval(Integral, 0, 2, closed="both"), "boolean"],
        **SHARED_CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        units: int | Sequence[int] = 64,
        bidirectional: bool = True,
        pooling: str = "max",
        embedding_dim: int = 64,
        embedding_weights: WordVectors | ArrayLike | str | None = "auto",
        trainable_embeddings: bool = True,
        vocab_size: int | None = None,
        dense_units: int | Sequence[int] = (),
        activation: str = "tanh",
        dense_activation: str = "relu",
        ngrams: int = 2,
        ngram_buckets: int | None = None,
        mask_padding: bool = True,
        invalid_ids: str = "error",
        embedding_dropout: float | str = "auto",
        input_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        dropout: float = 0.0,
        dense_dropout: float = 0.0,
        weight_decay: float = 0.0,
        label_smoothing: float | str = "auto",
        optimizer: str = "adam",
        learning_rate: float = 0.005,
        learning_rate_schedule: str = "one_cycle",
        epochs: int | str = "auto",
        batch_size: int = 64,
        clipnorm: float | None = 1.0,
        average_weights: bool = False,
        class_weight: ClassWeight = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        tol: float = 1e-4,
        scoring: str | Callable[..., float] = "loss",
        threshold: float | ArrayLike | str = "auto",
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.units = units
        self.bidirectional = bidirectional
        self.pooling = pooling
        self.embedding_dim = embedding_dim
        self.embedding_weights = embedding_weights
        self.trainable_embeddings = trainable_embeddings
        self.vocab_size = vocab_size
        self.dense_units = dense_units
        self.activation = activation
        self.dense_activation = dense_activation
        self.ngrams = ngrams
        self.ngram_buckets = ngram_buckets
        self.mask_padding = mask_padding
        self.invalid_ids = invalid_ids
        self.embedding_dropout = embedding_dropout
        self.input_dropout = input_dropout
        self.recurrent_dropout = recurrent_dropout
        self.dropout = dropout
        self.dense_dropout = dense_dropout
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.epochs = epochs
        self.batch_size = batch_size
        self.clipnorm = clipnorm
        self.average_weights = average_weights
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.scoring = scoring
        self.threshold = threshold
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def transform(self, X: ArrayLike) -> Floats:
        """Return the pooled document vectors, for example as features for another classifier.

        Parameters
        ----------
        X : array-like of int of shape (n_documents, n_features_in_)
            Token ids.

        Returns
        -------
        vectors : ndarray of float32 of shape (n_documents, vector_size)
            Output of the pooling, which is the input of the dense head.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If X is invalid, or its width differs from that in `fit`.

        Examples
        --------
        >>> from sklstm import LSTMTextClassifier
        >>> classifier = LSTMTextClassifier(units=4, embedding_dim=3, epochs=1)
        >>> classifier.fit([[2, 3], [4, 3]], ["good", "bad"]).transform([[2, 3]]).shape
        (1, 8)
        """
        return self._apply("document_vectors", X)

    def to_keras(self) -> keras.Model:
        """Return the fitted network as a Keras model that consists of standard Keras layers.

        Returns
        -------
        model : keras.Model
            Maps token ids to probabilities: the probability of ``classes_[1]`` for two classes,
            otherwise one probability per class or label. The model is a copy: training it does not
            change the classifier.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.

        Examples
        --------
        >>> from sklstm import LSTMTextClassifier
        >>> classifier = LSTMTextClassifier(units=4, embedding_dim=3, ngrams=0, epochs=1)
        >>> model = classifier.fit([[2, 3], [4, 3]], ["good", "bad"]).to_keras()
        >>> [layer.name for layer in model.layers]
        ['ids', 'embedding', 'embedding_dropout', 'lstm_1', 'output']
        """
        fitted = self._fitted_network()
        from sklstm._network.network import stock_model

        spec = replace(fitted.spec, vocab_size=self.vocab_size_)
        return stock_model(spec, fitted.weights_by_id())

    def summary(self) -> Summary:
        """Return a table of the layers of the network, with their output shapes and weights.

        Returns
        -------
        table : str
            The table as text; notebooks show it as an HTML table. The layer names are the same as
            in ``weights_``.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.

        See Also
        --------
        to_keras : Returns a Keras model, whose ``summary()`` also lists auxiliary operations.

        Examples
        --------
        >>> from sklstm import LSTMTextClassifier
        >>> network = {"units": 4, "bidirectional": False, "ngrams": 0, "embedding_dropout": 0}
        >>> classifier = LSTMTextClassifier(**network, embedding_dim=3, epochs=1)
        >>> print(classifier.fit([[2, 3], [4, 3]], ["good", "bad"]).summary())
        layer      description              output shape                weights  trained
        --------------------------------------------------------------------------------
        embedding  a vector for each token  (n_documents, n_tokens, 3)       15  yes
        lstm_1     LSTM, 4 units            (n_documents, n_tokens, 4)      128  yes
        pooling    maximum over tokens      (n_documents, 4)                  -  -
        output     dense, sigmoid           (n_documents, 1)                  5  yes
        --------------------------------------------------------------------------------
        Total params: 148
        """
        fitted = self._fitted_network()
        return summarize(fitted.spec, fitted.weights)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def __getstate__(self) -> dict[str, Any]:
        return pack_scores(super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        kind = type(self)
        attributes = unpack_state(state, kind)
        super().__setstate__(check_saved_state(attributes, kind, self._parameter_constraints))

    def _fitted_network(self) -> FittedNetwork:
        """Return the fitted state that prediction, inspection and export need.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        """
        check_is_fitted(self)
        return FittedNetwork(NetworkSpec(**self._architecture), self.weights_, self._table())

    @property
    def _n_features_out(self) -> int:
        return NetworkSpec(**self._architecture).vector_size

    def _table(self) -> tables.EmbeddingTable:
        return tables.EmbeddingTable(
            self.embedding_ids_,
            self._known_ids,
            self.vocab_size_,
            self._vectors,
            self._vector_scores,
            self._prefix_scores,
        )

    def _apply(self, kind: str, X: ArrayLike) -> Floats:
        fitted = self._fitted_network()
        rows, spec, weights = fitted.resolve(check.check_ids(self, X))
        inputs, lengths = tables.network_inputs(rows, spec)
        from sklstm._network.pool import acquire_network
        from sklstm._training.batches import predict_in_batches

        scores = "logits" if kind == "probabilities" else kind
        with acquire_network(spec) as network:
            scorer = network.scorer(scores, weights)
            outputs = predict_in_batches(network, scorer, inputs, lengths)
        if kind == "probabilities":
            return specs.probabilities(outputs, spec.output_activation)
        return outputs

    def _prepare(
        self, data: TrainingData, seeds: Seeds, resume: bool, is_partial: bool, n_ids: int | None
    ) -> TrainingRun:
        from sklstm._network.pool import acquire_network
        from sklstm._runtime import keras
        from sklstm._training.batches import predict_in_batches

        given = None if isinstance(self.embedding_weights, str) else self.embedding_weights
        table, pretrained = tables.make_table(
            data.ids,
            data.training.ids,
            None if data.validation is None else data.validation.ids,
            embedding_weights=given,
            vocab_size=self.vocab_size or (n_ids if given is None else None),
            resume=self._table() if resume else None,
            seed=seeds.vectors,
        )
        vectors = None
        if given is not None:
            vectors = tables.pretrained_rows(table, given)
        elif self._learns_vectors(data.training, resume=resume, is_partial=is_partial):
            ids, _ = tables.left_align(table.rows(data.training.ids))
            size = int(self.embedding_dim)
            vectors = tables.cooccurrence_rows(ids, len(table.ids), size, seeds.vectors)
            pretrained = None if resume else vectors[0]
        prefixes = None
        if self.ngrams and data.tokens is not None and not is_partial:
            prefixes = find_prefixes(table.tokens(data.tokens))
        n_trained = len(table.ids) - (0 if pretrained is None else len(pretrained))
        embedding_dim = self.embedding_dim if pretrained is None else pretrained.shape[1]
        spec = self._network_spec(
            data,
            len(table.ids),
            int(embedding_dim),
            has_vectors=vectors is not None,
            has_prefixes=prefixes is not None,
            resume=resume,
            is_partial=is_partial,
        )
        for name in _SHAPE_FIELDS if resume else ():
            now = n_trained if name == "vocab_size" else getattr(spec, name)
            then = self._architecture[name]
            if now != then:
                raise ValueError(
                    f"{name} is {now!r}, but the fitted weights were trained with {then!r}. Set it "
                    f"to {then!r}, or train from scratch by fit with warm_start=False."
                )

        def encode(documents: Documents, name: str) -> Examples:
            weights = documents.normalized_weights(name)
            inputs, lengths = tables.network_inputs(table.rows(documents.ids), spec)
            targets = prepare.encode_labels(documents.labels, data.classes, spec.n_outputs, name)
            if documents.label_weights is not None:
                targets = np.hstack([targets, documents.label_weights])
            return Examples(inputs, targets, weights, lengths)

        training = encode(data.training, "y")
        validation = None if data.validation is None else encode(data.validation, "y_val")
        start: Weights = dict(self.weights_) if resume else {}
        if not resume and spec.n_outputs > 1:
            start[specs.OUTPUT_BIAS] = prior_logits(
                training, spec.n_outputs, spec.output_activation
            )

        def fit_linear(examples: Examples) -> LinearModel:
            targets, label_weights = specs.split_targets(examples.targets, spec.n_outputs)
            return fit_linear_model(
                examples.ids,
                targets,
                examples.multiplicity,
                label_weights,
                max_length=spec.ngrams,
                is_exclusive=not data.is_multilabel,
                pretrained=vectors,
                prefixes=prefixes,
                n_buckets=spec.ngram_buckets,
                shares_buckets=is_partial,
            )

        if spec.ngrams and not (resume and is_partial):
            model = fit_linear(training)
            start |= model.weights
            spec = replace(spec, ngram_buckets=len(model.weights[specs.NGRAM_WEIGHTS]))
            table = table.with_scores(model)
        elif given is not None and vectors is not None and spec.token_scores:
            table = table.with_scores(self._table())
            start[specs.TOKEN_SCORES] = tables.extend_token_scores(
                table, *vectors, start[specs.TOKEN_SCORES]
            )
        training_spec = self._training_spec(spec.n_outputs)
        callbacks: list[keras.callbacks.Callback] = []
        if self.callbacks:  # Otherwise, Keras is needed only for new networks.
            callbacks = check.check_callbacks(self.callbacks, keras.callbacks.Callback)

        @contextmanager
        def training_network() -> Iterator[Network]:
            """Acquire the network, load its initial weights, and prepare it for training."""
            # Callbacks may change a network so that it no longer matches its spec.
            with acquire_network(spec, training_spec, keep=not self.callbacks) as network:
                weights = start
                if EMBEDDINGS not in start:
                    rng = np.random.default_rng(seeds.weights)
                    weights = specs.initial_weights(network.weight_shapes, rng) | start
                if pretrained is not None:
                    trained = weights[EMBEDDINGS][:n_trained]
                    weights[EMBEDDINGS] = np.concatenate([trained, pretrained])
                network.load(weights)
                network.prepare_training(training_spec, self.learning_rate, seeds.dropout)
                kept = self._optimizer_state if resume and is_partial else None
                if kept is not None and kept["optimizer"] == self.optimizer:
                    network.load_optimizer_state(kept["values"])
                yield network

        def validation_logits(network: BaseNetwork, examples: Examples) -> Floats:
            scorer = network.scorer("logits", network.weights())
            return predict_in_batches(network, scorer, examples.ids, examples.lengths)

        def evaluate(_: BaseNetwork, examples: Examples, logits: Callable[[], Floats]) -> Logs:
            scored = (logits(), examples.targets, examples.weights, spec.output_activation)
            loss, accuracy = prepare.mean_loss(*scored), prepare.accuracy(*scored)
            return {"val_loss": loss, "val_accuracy": accuracy}

        @cache
        def final_linear_model() -> LinearModel:
            """Fit the linear model also to the documents that early stopping needed."""
            return fit_linear(encode(data.all_documents, "y"))

        def fitted_attributes(weights: Weights) -> dict[str, Any]:
            final_table = table
            if spec.ngrams and data.rows is not None:
                final = final_linear_model()
                weights |= final.weights
                final_table = table.with_scores(final)
            embeddings = weights[EMBEDDINGS]
            embeddings[~table.is_known] = embeddings[OOV_ID]
            weights |= specs.align_weights(weights)
            return {
                "vocab_size_": table.vocab_size,
                "embedding_ids_": table.ids,
                "n_parameters_": sum(weight.size for weight in weights.values()),
                "_architecture": asdict(spec),
                "_vectors": table.vectors,
                "_vector_scores": final_table.vector_scores,
                "_prefix_scores": final_table.prefix_scores,
                "_known_ids": table.is_known,
            }

        return TrainingRun(
            training=training,
            validation=validation,
            batch_size=self.batch_size,
            peak_rate=self.learning_rate,
            optimizer=self.optimizer,
            callbacks=callbacks,
            network=training_network(),
            logits=validation_logits,
            evaluate=evaluate,
            fitted_attributes=fitted_attributes,
            max_auto_epochs=_max_auto_epochs(training, vectors is not None),
        )

    def _learns_vectors(self, documents: Documents, *, resume: bool, is_partial: bool) -> bool:
        """Return whether token vectors are learned from the training documents."""
        if not isinstance(self.embedding_weights, str):
            return False
        if self.embedding_weights == "cooccurrence":
            return not (resume and is_partial)
        return not is_partial and bool(np.count_nonzero(documents.ids) >= _MIN_TOKENS)

    def _network_spec(
        self,
        data: TrainingData,
        n_rows: int,
        embedding_dim: int,
        *,
        has_vectors: bool,
        has_prefixes: bool,
        resume: bool,
        is_partial: bool,
    ) -> NetworkSpec:
        """Return the architecture that the parameters and the data define."""
        n_buckets = 0
        if self.ngrams:
            fitted = self._architecture["ngram_buckets"] if resume else 0
            n_buckets = int(self.ngram_buckets or fitted)
        others: dict[str, Any] = {
            field.name: type(field.default)(getattr(self, field.name))
            for field in fields(NetworkSpec)
            if isinstance(field.default, (bool, float, str)) and field.name not in _RESOLVED_FIELDS
        }
        embedding_dropout = self.embedding_dropout
        if isinstance(embedding_dropout, str):
            embedding_dropout = _PRETRAINED_DROPOUT if has_vectors else _EMBEDDING_DROPOUT
            if resume and is_partial:
                embedding_dropout = self._architecture["embedding_dropout"]
        token_scores = bool(self.ngrams) and (has_vectors or has_prefixes)
        if resume and is_partial:
            token_scores = self._architecture["token_scores"]
        spec = NetworkSpec(
            vocab_size=n_rows,
            n_outputs=data.n_outputs,
            output_activation=data.output_activation,
            embedding_dim=embedding_dim,
            units=check.check_layer_sizes("units", self.units),
            dense_units=check.check_layer_sizes("dense_units", self.dense_units),
            ngrams=int(self.ngrams),
            ngram_buckets=n_buckets,
            trainable_ngrams=is_partial,
            token_scores=token_scores,
            embedding_dropout=float(embedding_dropout),
            **others,
        )
        return replace(spec, width=data.ids.shape[1]) if spec.depends_on_width else spec

    def _training_spec(self, n_outputs: int) -> specs.TrainingSpec:
        """Return the settings of the training step."""
        for name in ("learning_rate", "weight_decay", "clipnorm"):
            check.check_float32(name, getattr(self, name))
        smoothing = self.label_smoothing
        if isinstance(smoothing, str):
            smoothing = _LABEL_SMOOTHING if n_outputs > 1 else 0.0
        return specs.TrainingSpec(self.optimizer, self.clipnorm, self.weight_decay, smoothing)
