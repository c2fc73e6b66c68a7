"""Wrong labels, copies and strangers that LabelAudit finds on every set of a folder.

    python benchmarks/label_audit.py DATA [--sets ...] [--seeds 5] [--features FOLDER]

DATA is laid out as for ``accuracy.py``; ``--features`` reads the rows that
``block_weights.py`` has kept instead of computing embeddings.

*Wrong labels*: 5 and 10 % of the training labels are replaced, by any other class
(*any*) or by one of the three most similar classes (*near*), and all rows are ranked.
Average precision of the planted ones, beside cleanlab with the same features: out-of-sample
probabilities of a logistic regression in five folds (C=1 on the features as they are, its
usual recipe, and C=64 on rows of length 1, which suits these features better), its default
quality scores; the same scores with the audit's own probabilities; and the order of
``find_label_issues``. Processor seconds of each, one thread. Without cleanlab (extra
``bench``) the same formula, the probability of the label, stands in its place.

*Copies*: of 100 training photos, as another JPEG, smaller, cropped, mirrored.

*Strangers*: half of the classes are left out of ``fit``; photos of other sets too.
"""

import io
import sys
import time

import numpy as np
from _photo_sets import arguments, kept_rows, photo_sets
from PIL import Image, ImageOps
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.preprocessing import normalize

from skknn import BackboneEmbedder
from skknn.inspection import LabelAudit

try:
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores
except ImportError:
    find_label_issues = get_label_quality_scores = None
