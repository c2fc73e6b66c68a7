"""FUNGI: views -> losses -> per-image gradients of one layer -> +-1 projection.

``_state`` draws at fit what ``transform`` needs (heads, boxes, the layer that
``_layer_choice`` finds) into one frozen object. For an item a ``_cutter`` cuts the
views that the ``objectives/`` ask for (``views/``): ``_cut_images`` in threads or on a
CUDA device, ``_cut_texts`` and ``_cut_sounds`` (both a ``_sequence_cutter``) in threads
(``_choose_cutter`` knows which);
``_engine`` takes them through the network (``_forward``), the objectives' losses
(``_tasks``) and back to the layer, whose gradient is a sum of outer products
(``_outer_products``). ``_projection`` makes it short, on an accelerator by
``_device_signs``; ``_unit_rows`` puts the blocks into rows.
``_probe`` and ``_objective_identity`` tell networks and objectives from others.
``_blocks`` holds all of that for one backbone and one state; ``_jobs`` are the work on
it that the extraction loop runs.

Gradients of single positions of feature maps take the same layers, tasks, outer
products and projection: ``_patch_state`` is what fit draws, ``_patch_extractor`` the
forward pass, the loss and the way back, ``_patch_blocks`` makes vectors of what it
gives (``_patch_pairs``), ``_patch_job`` is the work that the loop runs.

Importing the package loads no torch: only what computes does.

F, here and in ``features``:
    W. Simoncini, S. Gidaris, A. Bursuc, Y. M. Asano, "No Train, all Gain:
    Self-Supervised Gradients Improve Deep Frozen Representations", NeurIPS 2024,
    https://arxiv.org/abs/2407.10964
"""

from .objectives import (
    AudioSimCLRObjective,
    DINOObjective,
    KLObjective,
    Objective,
    PatchSimCLRObjective,
    SimCLRObjective,
    TextSimCLRObjective,
)

__all__ = [
    "AudioSimCLRObjective",
    "DINOObjective",
    "KLObjective",
    "Objective",
    "PatchSimCLRObjective",
    "SimCLRObjective",
    "TextSimCLRObjective",
]
