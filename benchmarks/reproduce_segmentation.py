"""In-context segmentation as in "No Train, all Gain" (F, Tables 3, 4 and 7).

    python benchmarks/reproduce_segmentation.py DATA [BACKBONE] [--peer]

DATA is Pascal VOC's or ADE20K's folder, or one with ``train`` and ``test`` (or
``val``) of ``images`` and ``masks``. BACKBONE is a timm name, such as
vit_small_patch16_224.dino; its weights come from the network, once. F's settings:
images squashed to 512 x 512, 30 neighbours, temperature 0.02, one augmented pass, banks
of 1024 x 10^2, 10^3 and 10^4 rows (``--rows``). ``--few-shot N`` takes N training
images, 90 neighbours, temperature 0.1 and eight augmented passes.

``--gradients pairs`` or ``projected`` adds gradients of patches (F, B.2): by their
exact similarity, or projected to the width of the embedding as published.
``--as-published`` also mixes negatives and leaves the temperature out as the published
code does; ``--support`` is the number of training patches to look for negatives in
(published: as many as the bank has rows).

Ours is scored at the size of the masks, without void, over the classes that occur.
``--peer`` also prints the score as the code does that published numbers come from: void
is background in the bank and absent classes count 0, after Hungarian matching.
Published rows stand below, where ``--published-data`` and ``--published-backbone`` name
them. Without ``--gradients`` the embedding's rows are those to compare with.
"""

import argparse
from pathlib import Path

import numpy as np
from _published import print_published, published
from _segmentation_data import load_pairs

from skknn import DenseEmbedder, InContextSegmenter, PatchSimCLRObjective
from skknn.metrics import ConfusionMeter
from skknn.segmentation import read_mask


def main(argv=None):
    args = arguments().parse_args(argv)
    train, test = load_pairs(args.data, "train"), load_pairs(args.data, "test")
    if args.few_shot:
        chosen = np.random.default_rng(0).permutation(len(train[0]))[: args.few_shot]
        train = tuple([part[i] for i in np.sort(chosen)] for part in train)
    few = bool(args.few_shot)
    k, tau, passes = (90, 0.1, 8) if few else (30, 0.02, 1)
    passes = passes if args.augmentations is None else args.augmentations
    sizes = [None] if few else args.rows
    print(
        f"{args.data.name}, {args.backbone} ({args.weights} weights): "
        f"{len(train[0])} training, {len(test[0])} test images, {args.image_size} "
        f"pixels, k={k}, tau={tau}, {passes} augmented passes"
    )
    for rows in sizes:
        segmenter = InContextSegmenter(
            DenseEmbedder(
                args.backbone,
                weights=None if args.weights == "random" else args.weights,
                image_size=(args.image_size, args.image_size),
                gradients=objective(args),
                gradient_form=args.gradients or "pairs",
                device=args.device,
                memory=args.memory,
                n_jobs=args.n_jobs,
                random_state=0,
            ),
            n_neighbors=k,
            tau=tau,
            max_patches=rows,
            n_augmentations=passes,
            ignore_index=args.ignore_index,
            device=args.device,
            random_state=0,
            verbose=1,
        ).fit(*train)
        name = "all rows" if rows is None else f"{rows} rows"
        score = segmenter.score(*test)
        print(f"{name} ({len(segmenter.bank_)} kept): mIoU {100 * score:.2f}")
        if args.peer:
            as_background = [without_void(mask, args) for mask in train[1]]
            segmenter.set_params(ignore_index=None).fit(train[0], as_background)
            score = peer_score(segmenter, *test, args)
            print(f"{name}, as the peer scores: {100 * score:.2f}")
    wanted = {"task": "segmentation", "data": args.published_data}
    wanted |= {
        "backbone": args.published_backbone,
        "protocol": "n=" if few else "memory",
    }
    print_published(published(paper="F", **wanted))


def objective(args):
    """Whose gradients are asked for, if any."""
    if args.gradients is None:
        return None
    published = {"negatives": "interleaved", "denominator_temperature": False}
    settings = published if args.as_published else {}
    return PatchSimCLRObjective(n_support=args.support, **settings)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("backbone", nargs="?", default="tf_efficientnet_lite0")
    parser.add_argument("--weights", default="auto", help='"auto", "random" or a file')
    parser.add_argument("--image-size", type=int, default=512)
    parser.add_argument(
        "--rows", type=int, nargs="*", default=[1024 * 10**e for e in (2, 3, 4)]
    )
    parser.add_argument("--few-shot", type=int, metavar="N")
    parser.add_argument("--augmentations", type=int, help="passes; default F's")
    parser.add_argument("--ignore-index", type=int, default=255)
    parser.add_argument("--gradients", choices=["pairs", "projected"])
    parser.add_argument("--as-published", action="store_true")
    parser.add_argument("--support", type=int, default=102_400)
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--device")
    parser.add_argument("--n-jobs", type=int)
    parser.add_argument("--memory", help="folder for maps; they are large")
    parser.add_argument("--published-data", default="Pascal VOC 2012")
    parser.add_argument("--published-backbone", default="ViT-S/16")
    return parser


def without_void(mask, args):
    """The mask with class 0 in the place of void."""
    labels = read_mask(mask, 0)
    return np.where(labels == args.ignore_index, 0, labels)


def peer_score(segmenter, images, masks, args):
    """Mean IoU over all numbered classes at the input size, after matching."""
    size = args.image_size, args.image_size
    meter = ConfusionMeter(int(segmenter.classes_[-1]) + 1, args.ignore_index)
    for image, mask in zip(images, masks):
        labels = read_mask(mask, 0)
        rows, columns = (
            np.minimum((np.arange(n) + 0.5) * m / n, m - 1).astype(int)
            for n, m in zip(size, labels.shape)
        )
        predicted = segmenter.predict([image], sizes=[size])[0]
        meter.update(labels[np.ix_(rows, columns)], predicted)
    return meter.mean_iou(absent="zero", matching="hungarian")


if __name__ == "__main__":
    main()
