"""
Can it classify sounds?
=======================

An :class:`~skknn.AudioBackbone` lets the transformers of images take sounds: files,
pairs ``(samples, rate)`` or arrays. Here four instruments that differ in their
overtones and in how a note begins play notes of any pitch, and the network is a module
of our own with random weights behind mel bands. With ``AudioBackbone()`` it would be a
trained one.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.model_selection import cross_val_score
from torch import nn

from skknn import AudioBackbone, FungiTransformer, KLObjective, SoftKNNClassifier

RATE = 16_000
# Loudness of the overtones, and seconds until a note has its full loudness.
INSTRUMENTS = {
    "flute": ([1, 0.1, 0.02], 0.08),
    "clarinet": ([1, 0, 0.6, 0, 0.3], 0.05),
    "violin": ([1, 0.7, 0.5, 0.4, 0.3], 0.1),
    "piano": ([1, 0.7, 0.5, 0.4, 0.3], 0.002),
}


def note(name, rng):
    """A note of random pitch, length and loudness, in some noise."""
    overtones, attack = INSTRUMENTS[name]
    time = np.arange(int(RATE * rng.uniform(0.3, 0.6))) / RATE
    pitch = rng.uniform(200, 800)
    tone = sum(
        loudness * np.sin(2 * np.pi * pitch * i * time + rng.uniform(0, 6))
        for i, loudness in enumerate(overtones, 1)
    )
    decay = np.exp(-time * (6 if name == "piano" else 1))
    shaped = tone * decay * (1 - np.exp(-time / attack))
    noise = rng.uniform(0.05, 0.4) * rng.standard_normal(len(time))
    return (rng.uniform(0.05, 0.3) * (shaped + noise)).astype(np.float32), RATE


rng = np.random.default_rng(0)
y = np.repeat(list(INSTRUMENTS), 50)
sounds = [note(name, rng) for name in y]

# %%
# The network gets 64 mel bands of each hundredth of a second; what it gives is averaged
# over time. KL's gradient of its last layer comes beside that.
torch.manual_seed(0)
network = nn.Sequential(
    nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 64)
)
fungi = FungiTransformer(
    AudioBackbone(network, n_mels=64),
    objectives=KLObjective(),
    n_components=None,
    random_state=0,
)
features = fungi.fit_transform(sounds)
print(features.shape, {name: str(part) for name, part in fungi.feature_slices_.items()})

# %%
# Soft votes on the embedding alone, on the gradient alone, and on both.
columns = {name: np.r_[part] for name, part in fungi.feature_slices_.items()}
columns["both"] = np.concatenate(list(columns.values()))
for name, part in columns.items():
    accuracy = cross_val_score(SoftKNNClassifier(10), features[:, part], y, cv=5).mean()
    print(f"{name:9} {accuracy:.3f}")

# %%
# What the network hears of one note of each instrument.
figure, axes = plt.subplots(1, 4, figsize=(9, 2.6), sharey=True, layout="constrained")
for axis, name in zip(axes, INSTRUMENTS):
    ((windows,),) = fungi.views([sounds[list(y).index(name)]], "kl")
    axis.imshow(windows[0].T, origin="lower", aspect="auto", cmap="magma")
    axis.set(title=name, xlabel="10 ms")
axes[0].set_ylabel("mel band")
plt.show()
