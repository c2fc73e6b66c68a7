"""Backbone and head trained end to end, with votes of a bank that moves along.

``FineTunedJointClassifier`` (``_fine_tuned_joint``) is R's A.5. ``_fitting`` puts
together what ``fit`` needs, ``_training`` goes through the epochs: a step takes views
of images (``_augmentation``, out of images that are decoded once, ``_held_images``)
through the parts that learn (``_trainable``) and the head (``_head``); rows weigh what
the bank (``_bank``) makes of their neighbours, and ``_schedule`` says how large steps
are. ``_validation`` holds rows out and stops early, ``_checkpoint`` keeps the state
after each epoch. What comes out is built anew with its weights wherever it is needed
(``_trained_loader``), and embeds images through the loop of ``features``.
``_parameters`` says which values are allowed.

R is cited as in ``classifiers``.
"""

from ._fine_tuned_joint import FineTunedJointClassifier

__all__ = ["FineTunedJointClassifier"]
