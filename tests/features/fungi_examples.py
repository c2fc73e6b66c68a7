"""The small transformer that the tests of FungiTransformer share."""

from skknn import DINOObjective, FungiTransformer, SimCLRObjective

OBJECTIVES = (
    "kl",
    DINOObjective(n_local=2, head_dim=32),
    SimCLRObjective(n_views=9, n_negatives=3, head_dim=16),
)


def tiny(**kwargs):
    settings = {
        "backbone": "test_vit",
        "image_size": 32,
        "weights": None,
        "objectives": OBJECTIVES,
        "n_components": None,
        "random_state": 0,
        "n_jobs": 1,
        "device": "cpu",
    }
    return FungiTransformer(**settings | kwargs)
