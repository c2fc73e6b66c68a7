"""Classes of positions by their nearest labelled positions; nothing is trained.

Masks (``_masks``) become soft labels of the positions of a feature map
(``_patch_labels``); both go into a bank of bounded size (``_memory_bank``, which
``_bank_builder`` fills and ``_sampling`` thins). Queries search it (``_search``, or
``_pair_search`` where gradients are pairs; ``_similarity`` says which), neighbours vote
(``_votes``), and label maps are enlarged to the size of the image (``_enlarge``).
``_augmentation`` changes training images, ``_inputs`` walks through images or maps;
errors over images that cannot be read come from ``_bad_images``. ``_filling`` calls
these in order and gives one frozen object, which ``_bank_estimator`` holds;
``_segmenter`` predicts from it, ``_scored_bank`` says how well, with the counts of
``_scores``, ``_settings`` checks what it is asked for.
"""

from ._bank_estimator import check_as_many
from ._inputs import count, entry
from ._masks import read_mask
from ._segmenter import InContextSegmenter

__all__ = ["InContextSegmenter", "check_as_many", "count", "entry", "read_mask"]
