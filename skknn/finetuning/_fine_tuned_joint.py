"""FineTunedJointClassifier: R's JOINT with a backbone that learns."""

import os
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, ClassNamePrefixFeaturesOutMixin
from sklearn.utils.validation import check_is_fitted

from ..classifiers import JOINT_ALIASES, check_target, mix_proba
from ..features._item_transformer import ItemTransformer
from ..features._shared_parameters import fill_in_descriptions
from ..utils._sklearn import fit_context
from ._head import head_proba
from ._parameters import CONSTRAINTS, REMEDIES


@fill_in_descriptions
class FineTunedJointClassifier(
    ClassNamePrefixFeaturesOutMixin, ClassifierMixin, ItemTransformer
):
    r"""A backbone fine-tuned with weights from its own neighbours' votes.

    Backbone and a linear head are trained end to end on images. The loss of a row is
    weighted by ``1 + alpha * (-log p)``, where ``p`` is the probability that soft
    votes of the other training rows give to its class (R, Eq. 4); the features that
    are compared, the bank, are those of the backbone as it is, embedded again before
    each epoch. Prediction mixes votes and head (R, Eq. 5):

    .. math:: P = \lambda P_{kNN} + (1 - \lambda) P_{head}.

    ==============================  ===============================================
    setting                         name in R (A.5)
    ==============================  ===============================================
    ``refresh="epoch"``             JOINT: the bank is made anew before each epoch
    ``refresh="test"``              JOINT-UT: before the first one and after the last
    ``alpha=0, lam=0``              BASE: usual fine-tuning
    ==============================  ===============================================

    Parameters
    ----------
    $backbone
    n_neighbors : int or "mean", default=20
        Voting rows k; see :class:`SoftKNNClassifier`. Known as ``k`` to
        ``set_params`` and parameter grids.
    tau : float or "scale", default=0.1
        Temperature of the votes (R, Eq. 1). Known as ``temperature`` to
        ``set_params`` and parameter grids.
    alpha : float, default=0.01
        Strength of the modulation (R, Eq. 4); 0 needs no bank while training.
    lam : float, default=0.1
        Share of the votes in the mixture, from 0 to 1 (R, Eq. 5). May be changed
        after ``fit``. Known as ``lambda`` and ``lambda_`` to ``set_params`` and grids.
    refresh : {"epoch", "test"}, default="epoch"
        When the training rows are embedded again; see the table above.
    epochs : int, default=30
        Passes over the training rows.
    trainable : "all", int or list of str, default="all"
        What of the backbone learns: all of it, so many of its last blocks and what
        comes after them (0 trains the head alone), or parts by name. The others stay
        as they are, in evaluation mode.
    learning_rate : float, default=0.01
        For steps of 256 images: it is multiplied by ``batch_size / 256`` (R, Table
        6), rises during ``warmup_epochs`` and falls as a cosine to 0.
    optimizer : {"sgd", "adamw"}, default="sgd"
        torch's own. Those of "adamw" want a smaller ``learning_rate``, such as 0.001.
    momentum : float, default=0.9
        Of "sgd" (R, Table 6).
    weight_decay : float, default=0.0001
        Of all that learns.
    warmup_epochs : int or "auto", default="auto"
        "auto" is a sixth of ``epochs`` and 5 at most, as in R.
    batch_size : int, default=32
        Images in one step; batches of an epoch are of nearly equal size.
    augment : bool, default=True
        Whether training images are cut out at random and mirrored half the time. The
        bank and predictions always use the evaluation transform.
    min_crop : float, default=0.25
        Smallest share of an image's area that is cut out (torchvision: 0.08).
    batch_norm : {"frozen", "update"}, default="frozen"
        Whether batch normalisations keep the running statistics that came with the
        backbone, also while training (their scales and shifts learn), or use each
        batch's and follow them, which wants large batches.
    validation_fraction : float or None, default=None
        Share of the rows, drawn from every class, that is held out: neither learnt
        from nor voting. Each epoch is scored on them, and the one with the lowest
        log loss is kept.
    patience : int or None, default=None
        Epochs without a lower log loss on the held-out rows after which training
        stops. Needs ``validation_fraction``.
    $weights
    $pooling
    $image_size
    $image_shape
    algorithm : str or object, default="auto"
        Search engine of the votes; see :class:`SoftKNNClassifier`.
    $device
    precision : {"auto", "float32", "bf16"}, default="auto"
        "auto" is bfloat16 on CUDA (weights, their updates and the loss stay float32)
        and float32 elsewhere. Predictions are made in the same.
    $n_jobs
    memory : str, Path, joblib.Memory or None, default=None
        Folder for checkpoints, one file a combination of images, labels, settings and
        initial weights, written after each epoch. The same ``fit`` (with an int as
        ``random_state``) goes on where a killed one was. Of a ``joblib.Memory`` its
        folder is taken.
    $backbone_params
    random_state : int, RandomState or None, default=None
        Seed of the order of rows, of what is cut out and held out.
    verbose : int, default=0
        Above 0, a progress bar over epochs.
    image_cache_bytes : int, default=2**30
        Memory for decoded images; those that do not fit are decoded each epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    $backbone_
        Trained; kept in pickles.
    $device_
    head_ : torch.nn.Linear
        From features to scores of classes, on the CPU.
    knn_ : SoftKNNClassifier
        The kNN side, fitted on features of the trained backbone.
    knn_proba_ : ndarray of shape (n_training_rows,), float64
        Leave-one-out probability of each training row's class among the features of
        the trained backbone; of rows that are not held out, in their order.
    history_ : list of dict
        One an epoch: ``epoch``, ``loss`` (mean weighted loss of the training rows),
        ``learning_rate`` (of its first step), ``mean_weight`` and ``mean_knn_proba``
        of the training rows (NaN with ``alpha=0``), ``refresh_seconds`` out of
        ``seconds``; with held-out rows ``validation_loss`` and
        ``validation_accuracy``, of the mixture, of the head alone with
        ``refresh="test"``.
    n_epochs_ : int
        Epochs after which the backbone was taken: all, or those to the lowest
        validation loss.
    $n_features_in_
    $feature_names_in_

    See Also
    --------
    JointKNNClassifier : The same with features that stay as they are.
    BackboneEmbedder : Features of a backbone that nothing trains.

    Notes
    -----
    The same call with the same ``random_state`` gives the same numbers on one machine
    with a CPU and as many threads; on CUDA up to rounding, which training amplifies.

    A pickle carries the trained weights, so it is as large as the backbone, and needs
    neither a weight file nor a weight package where it is loaded. A module as
    ``backbone`` stays as it is: a copy is trained. ``backbone_.module`` may be the
    ``backbone`` of other transformers, with the same ``image_size``.

    References
    ----------
    .. [1] M. Jia, B.-C. Chen, Z. Wu, C. Cardie, S. Belongie, S.-N. Lim, "Rethinking
       Nearest Neighbors for Visual Classification", 2021,
       https://arxiv.org/abs/2112.08459, cited as R (training: A.5 and Table 6).

    Examples
    --------
    Weights are random here, so that the example runs anywhere.

    >>> import numpy as np
    >>> from skknn import FineTunedJointClassifier
    >>> rng = np.random.default_rng(0)
    >>> images = rng.integers(0, 128, (12, 32, 32, 3), dtype="uint8")
    >>> images[::2] += 100
    >>> labels = ["bright", "dark"] * 6
    >>> model = FineTunedJointClassifier(
    ...     "test_resnet", n_neighbors=3, epochs=2, weights=None, image_size=32,
    ...     random_state=0, device="cpu",
    ... ).fit(images, labels)
    >>> model.predict_proba(images).shape
    (12, 2)
    >>> model.transform(images).shape
    (12, 96)
    >>> [epoch["epoch"] for epoch in model.history_]
    [1, 2]
    """

    _parameter_constraints = CONSTRAINTS
    _param_remedies = REMEDIES
    _param_aliases = JOINT_ALIASES
    _fitted_names = (
        *ItemTransformer._fitted_names,
        "classes_",
        "head_",
        "knn_",
        "knn_proba_",
        "history_",
        "n_epochs_",
    )

    def __init__(
        self,
        backbone: Any = "tf_efficientnet_lite0",
        *,
        n_neighbors: int | str = 20,
        tau: float | str = 0.1,
        alpha: float = 0.01,
        lam: float = 0.1,
        refresh: str = "epoch",
        epochs: int = 30,
        trainable: str | int | Sequence[str] = "all",
        learning_rate: float = 0.01,
        optimizer: str = "sgd",
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        warmup_epochs: int | str = "auto",
        batch_size: int = 32,
        augment: bool = True,
        min_crop: float = 0.25,
        batch_norm: str = "frozen",
        validation_fraction: float | None = None,
        patience: int | None = None,
        weights: str | os.PathLike | None = "auto",
        pooling: str = "auto",
        image_size: int | tuple[int, int] | None = None,
        image_shape: tuple[int, ...] | None = None,
        algorithm: Any = "auto",
        device: Any = None,
        precision: str = "auto",
        n_jobs: int | None = None,
        memory: Any = None,
        backbone_params: dict[str, Any] | None = None,
        random_state: Any = None,
        verbose: int = 0,
        image_cache_bytes: int = 2**30,
    ) -> None:
        self.backbone = backbone
        self.n_neighbors = n_neighbors
        self.tau = tau
        self.alpha = alpha
        self.lam = lam
        self.refresh = refresh
        self.epochs = epochs
        self.trainable = trainable
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.warmup_epochs = warmup_epochs
        self.batch_size = batch_size
        self.augment = augment
        self.min_crop = min_crop
        self.batch_norm = batch_norm
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.weights = weights
        self.pooling = pooling
        self.image_size = image_size
        self.image_shape = image_shape
        self.algorithm = algorithm
        self.device = device
        self.precision = precision
        self.n_jobs = n_jobs
        self.memory = memory
        self.backbone_params = backbone_params
        self.random_state = random_state
        self.verbose = verbose
        self.image_cache_bytes = image_cache_bytes

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any) -> Self:
        """Train backbone and head, then fit the kNN side on the trained features.

        Parameters
        ----------
        X : list, array, tensor or Dataset of images, or 2-D array
            In any form that :class:`BackboneEmbedder` takes.
        y : array-like of shape (n_samples,)
            Class labels.

        Returns
        -------
        self : FineTunedJointClassifier

        Raises
        ------
        FloatingPointError
            If the loss is no longer finite: the message names the batch's rows.
        BadImageError
            If an image cannot be read: the message names its row and file.
        ValueError, TypeError
            If a parameter, ``X`` or ``y`` will not do.
        OSError
            If there are no weights: neither a package nor a network.
        """
        from ._fitting import fit_backbone

        if self.patience is not None and self.validation_fraction is None:
            raise ValueError(
                f"patience={self.patience} needs rows to look at, and "
                "validation_fraction=None holds none out. Set validation_fraction, "
                "such as 0.1, or patience=None."
            )
        with self._fitting():
            items, table = self._items_of_fit(X)
            y, classes = check_target(self, range(len(items)), y)
            seed = self._draw_seed()
            loader = self._new_loader(seed)
            fitted = fit_backbone(self, items, y, seed=seed, loader=loader)
            self.classes_, self.head_ = classes, fitted.trained.head
            self.knn_, self.knn_proba_ = fitted.knn, fitted.knn_proba
            self.history_ = fitted.trained.history
            self.n_epochs_ = fitted.trained.n_epochs
            self._table, self._seed = table, seed
            self._loader, self._known = fitted.loader, fitted.loader.known
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Class probabilities of the mixture of votes and head.

        Parameters
        ----------
        X : list, array, tensor or Dataset of images, or 2-D array
            As in :meth:`fit`.

        Returns
        -------
        ndarray of shape (n_queries, n_classes), float64
            Rows sum to 1; columns in the order of ``classes_``.
        """
        features = self._embed(X).values
        votes = base = None
        if self.lam != 0:
            votes = self.knn_.predict_proba(features)
        if self.lam != 1:
            base = head_proba(self.head_, features)
        return mix_proba(votes, base, self.lam)

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Logarithm of :meth:`predict_proba`.

        Parameters
        ----------
        X : list, array, tensor or Dataset of images, or 2-D array

        Returns
        -------
        ndarray of shape (n_queries, n_classes), float64
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X: Any) -> NDArray[Any]:
        """Most probable class of the mixture; a tie goes to the class sorted first.

        Parameters
        ----------
        X : list, array, tensor or Dataset of images, or 2-D array

        Returns
        -------
        ndarray of shape (n_queries,)
        """
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Embed images with the trained backbone.

        Parameters
        ----------
        X : list, array, tensor or Dataset of images, or 2-D array

        Returns
        -------
        features : ndarray of shape (n, n_features_out), float32
            Or what ``set_output`` says.
        """
        return self._embed(X).values

    def __getstate__(self) -> dict[str, Any]:
        """Keep the trained weights, which nothing else holds."""
        state = super().__getstate__()
        if "_loader" in vars(self):
            state["_loader"] = self._loader
        return state

    def _work_settings(self) -> dict[str, Any]:
        # Rows are not kept: memory holds checkpoints, and each epoch's rows differ.
        return {"batch_size": "auto", "memory": None, "on_error": "raise"}

    def _fitted_loader(self) -> Any:
        return self._loader

    @property
    def _n_features_out(self) -> int:
        return self.head_.in_features
