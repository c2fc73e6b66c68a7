"""From a folder of photos to an answer: what the command line does.

``classify_folder`` asks ``_contents`` what lies in the folder, ``_labelled_rows`` and
``_features`` for rows of features, ``_cross_validation`` and ``_evaluation`` how good
it is, ``_predictions`` about the photos without a label and ``_audit`` about labels;
it returns a ``FolderAnswer``, which ``_written`` writes. ``_stamps`` tells whether
anything has changed.
"""

from ._answer import FolderAnswer
from ._audit_folder import audit_folder
from ._classify_folder import classify_folder
from ._embed_folder import FolderFeatures, embed_folder

__all__ = [
    "FolderAnswer",
    "FolderFeatures",
    "audit_folder",
    "classify_folder",
    "embed_folder",
]
