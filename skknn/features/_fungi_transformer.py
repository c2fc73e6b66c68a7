"""Images -> embeddings extended by self-supervised gradients (FUNGI)."""

import numbers
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ..gradients.objectives import Objective
from ..utils._sklearn import Interval, StrOptions, fit_context
from ._block_rows import numbered, reduce_rows
from ._gradient_rows import GradientRows
from ._remedies import FUNGI_REMEDIES
from ._shared_parameters import CONSTRAINTS, fill_in_descriptions


@fill_in_descriptions
class FungiTransformer(GradientRows):
    """Embeddings joined by projected self-supervised gradients of ``layer``.

    For every image (text, sound) the gradient of each objective's loss with respect to
    one layer of a frozen backbone is computed, projected by a random matrix of signs,
    L2-normalised and put beside the L2-normalised embedding; PCA then brings the row to
    a chosen width. Nothing is trained: ``fit`` draws heads, crop boxes, negatives
    and projection from ``random_state``, and fits the PCA. It is FUNGI [1]_.

    Parameters
    ----------
    $backbone
    objectives : sequence of str or Objective, default=("kl", "dino", "simclr")
        Whose gradients. A string stands for the objective with its defaults:
        :class:`KLObjective`, :class:`DINOObjective`, :class:`SimCLRObjective`. The
        default is every objective that the backbone's modality defines: for texts and
        sounds "kl", "simclr" (:class:`TextSimCLRObjective`,
        :class:`AudioSimCLRObjective`). In searches: ``objectives__kl__temperature``.
    layer : str, default="auto"
        The layer whose weights are differentiated, a name in
        ``backbone_.module.named_modules()`` of a Linear or Conv2d(groups=1). "auto" is
        the last attention output projection of a transformer (F Fig. 8), the last 1x1
        convolution of a CNN. (In :class:`BackboneEmbedder` ``layer`` is whose output
        makes the features; here that is the backbone's end.)
    projection_dim : int, default=None
        d, the width of a projected gradient; None is the embedding's width.
    include_embedding : bool, default=True
        Whether the un-augmented image's embedding is the last block.
    include_view_embeddings : bool, default=False
        Whether each objective with views of its own adds a block ("dino_views",
        "simclr_views"): the unit mean of their unit embeddings, at no pass more. See
        :class:`BlockWeights`.
    n_components : "auto", int or None, default="auto"
        Width after PCA: "auto" is 384 for embeddings of up to 384 values, else 512;
        fewer, with a warning, if rows do not allow as many. None leaves the
        PCA out.
    view_size : int or (height, width), default=None
        Of SimCLR's windows and DINO's local crops; None is the input size. Smaller is
        cheaper and approximate.
    $weights
    $pooling
    $image_size
    $image_shape
    batch_size : int or "auto", default="auto"
        Images handled together, raised to at least 64 gradients because projecting
        many at once is cheaper. Forward passes hold up to 4 views on a CPU and
        ``8 * batch_size`` on an accelerator. "auto" goes by the free memory of a CUDA
        device and is 16 elsewhere. Of texts: the most in a forward pass; "auto" goes by
        their tokens.
    $device
    $precision
    $n_jobs
    memory : str, Path, joblib.Memory or None, default=None
        Folder for rows. Blocks are stored one by one: other ``objectives``,
        ``n_components``, ``include_embedding`` or ``include_view_embeddings``
        compute only what is missing. Needs a fixed ``random_state``.
    $on_error
    $backbone_params
    random_state : int, RandomState or None, default=None
        Heads, boxes, negatives, projection and random backbone weights.
    verbose : int, default=0
        Above 0: a progress bar, and an estimate of the whole after the first batch.

    Attributes
    ----------
    $backbone_
    $device_
    layer_ : str
        Name of the differentiated layer.
    objectives_ : dict
        Name -> :class:`Objective`, in the order of the blocks.
    heads_ : dict
        Objective -> (weight, bias), float32 arrays; of an objective with several heads
        a dict of such pairs (DINO: "student" and "teacher").
    negatives_ : dict
        Objective -> ndarray of shape (K, head_dim), for objectives that compare with
        training images (SimCLR): latents of their views before normalisation.
    pca_ : sklearn.decomposition.PCA or None
        Its ``components_`` are float32.
    n_components_ : int
        Width of a row.
    feature_slices_ : dict
        Block name -> slice of a row before PCA: gradients in the order of
        ``objectives``, then blocks of views, last the embedding.
    seed_ : int
        What everything was drawn from.
    $failed_
    $n_features_in_
    $feature_names_in_

    See Also
    --------
    BackboneEmbedder : the embedding alone, 1 forward pass an image instead of 62.
    BlockWeights : which blocks help the votes on your data.

    Notes
    -----
    Cost: 1 forward pass an image for "kl" (shared with the embedding), 12 for
    "dino", 49 for "simclr", and ``n_negatives * 49`` once in ``fit``.
    A row depends on its image and the fitted state only, not on other rows.

    $pickles Heads and projection, which follow from ``seed_``, are left out, too.

    References
    ----------
    .. [1] W. Simoncini, S. Gidaris, A. Bursuc, Y. M. Asano, "No Train, all Gain:
       Self-Supervised Gradients Improve Deep Frozen Representations", NeurIPS 2024,
       https://arxiv.org/abs/2407.10964 (F).

    G. Tolias, R. Sicre, H. Jégou, "Particular object retrieval with integral
    max-pooling of CNN activations", ICLR 2016 (``pooling="rmac"``).

    Examples
    --------
    >>> import numpy as np
    >>> from skknn import FungiTransformer
    >>> images = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), "uint8")
    >>> fungi = FungiTransformer(
    ...     "test_vit", weights=None, image_size=32, objectives=("kl", "dino"),
    ...     n_components=4, random_state=0,
    ... )
    >>> fungi.fit_transform(images).shape
    (6, 4)
    >>> fungi.feature_slices_["dino"]
    slice(64, 128, None)
    """

    _param_remedies = FUNGI_REMEDIES
    _parameter_constraints = {
        **CONSTRAINTS,
        "objectives": [str, tuple, list, Objective],
        "layer": [str],
        "projection_dim": [Interval(numbers.Integral, 1, None, closed="left"), None],
        "include_embedding": ["boolean"],
        "include_view_embeddings": ["boolean"],
        "n_components": [
            StrOptions({"auto"}),
            Interval(numbers.Integral, 1, None, closed="left"),
            None,
        ],
        "view_size": [
            Interval(numbers.Integral, 1, None, closed="left"),
            tuple,
            list,
            None,
        ],
    }
    _usual_batch_size = 16

    def __init__(
        self,
        backbone: Any = "tf_efficientnet_lite0",
        *,
        objectives: Any = ("kl", "dino", "simclr"),
        layer: str = "auto",
        projection_dim: int | None = None,
        include_embedding: bool = True,
        include_view_embeddings: bool = False,
        n_components: int | str | None = "auto",
        view_size: int | tuple[int, int] | None = None,
        weights: str | os.PathLike | None = "auto",
        pooling: str = "auto",
        image_size: int | tuple[int, int] | None = None,
        image_shape: tuple[int, ...] | None = None,
        batch_size: int | str = "auto",
        device: Any = None,
        precision: str = "auto",
        n_jobs: int | None = None,
        memory: Any = None,
        on_error: str = "raise",
        backbone_params: dict[str, Any] | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.backbone = backbone
        self.objectives = objectives
        self.layer = layer
        self.projection_dim = projection_dim
        self.include_embedding = include_embedding
        self.include_view_embeddings = include_view_embeddings
        self.n_components = n_components
        self.view_size = view_size
        self.weights = weights
        self.pooling = pooling
        self.image_size = image_size
        self.image_shape = image_shape
        self.batch_size = batch_size
        self.device = device
        self.precision = precision
        self.n_jobs = n_jobs
        self.memory = memory
        self.on_error = on_error
        self.backbone_params = backbone_params
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> "FungiTransformer":
        """Draw heads, boxes, negatives and projection; fit the PCA.

        With PCA the rows of ``X`` are extracted: use :meth:`fit_transform` to have
        them, or ``memory`` to keep them.

        Parameters
        ----------
        X : list, array, tensor or Dataset of images, or 2-D array
        y : ignored

        Returns
        -------
        self : FungiTransformer
        """
        self._fit(X, with_rows=self.n_components is not None)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Any, y: Any = None) -> NDArray[np.float32]:
        """Fit and return the rows of ``X``, which are extracted once.

        Parameters
        ----------
        X : list, array, tensor or Dataset of images, or 2-D array
        y : ignored

        Returns
        -------
        features : ndarray of shape (n, `n_components_`), float32
            The same as ``fit(X).transform(X)``.
        """
        rows = self._fit(X, with_rows=True)
        assert rows is not None
        return reduce_rows(rows, self.pca_)

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Compute the rows of images.

        Parameters
        ----------
        X : list, array, tensor or Dataset of images, or 2-D array
            2-D rows are flattened images with as many features as in ``fit``.

        Returns
        -------
        features : ndarray of shape (n, `n_components_`), float32
            Or what ``set_output`` says.

        Raises
        ------
        BadImageError
            If an image cannot be read: the message names its row and file.
        MemoryError
            If a single image does not fit on the device.
        """
        check_is_fitted(self)
        items = self._items(X)
        work = self._work(self._fitted_loader(), self._fitted_blocks())
        rows = self._extract(work, items)
        self._note_rows(rows)
        return reduce_rows(rows.values, self.pca_)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the columns.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        names : ndarray of str
            Block and number ("kl0", ..., "embedding0", ...; with "_" between them
            behind a digit or "_" in an objective's name) without PCA, else
            "fungitransformer0", ...
        """
        check_is_fitted(self)
        if self.pca_ is not None:
            names = [f"fungitransformer{i}" for i in range(self.n_components_)]
        else:
            names = numbered(self.feature_slices_)
        return np.asarray(names, dtype=object)
