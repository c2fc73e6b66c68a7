"""Numbers of the papers (``published.csv``) for a data set, a backbone, a protocol.

Each line of the table is one number of R or F: its table there, data set, backbone, the
weights it was pretrained with, protocol and method. A number stands beside ours only
where all of these are the same.
"""

import csv
import re
from pathlib import Path

FILE = Path(__file__).with_name("published.csv")
# Names of data sets as folders are called -> as the papers call them.
DATA = {
    "imagenet": ("ImageNet", "IN1K"),
    "imagenet1k": ("ImageNet", "IN1K"),
    "in1k": ("ImageNet", "IN1K"),
    "cub": ("CUB", "CUB-200-2011"),
    "cub200": ("CUB", "CUB-200-2011"),
    "cub2002011": ("CUB", "CUB-200-2011"),
    "cars": ("Cars",),
    "stanfordcars": ("Cars",),
    "dtd": ("DTD",),
    "eurosat": ("ESAT",),
    "esat": ("ESAT",),
    "cifar10": ("C10",),
    "cifar100": ("C100",),
    "pets": ("Pets",),
    "oxfordpets": ("Pets",),
    "oxfordiiitpet": ("Pets",),
    "food": ("Food",),
    "food101": ("Food",),
    "aircraft": ("FGVC",),
    "fgvcaircraft": ("FGVC",),
    "fgvc": ("FGVC",),
    "flowers": ("Flowers",),
    "flowers102": ("Flowers",),
    "trec": ("TREC",),
    "banking77": ("Banking-77",),
}
# Parts of timm's names -> the papers' names; the first that fits counts.
BACKBONES = {
    r"(vit|deit)_small_patch16": "ViT-S/16",
    r"(vit|deit|eva02)_base_patch16": "ViT-B/16",
    r"vit_base_patch32": "ViT-B/32",
    r"vit_base_patch14": "ViT-B/14",
    r"(vit|deit)_large_patch16": "ViT-L/16",
    r"resnet50": "ResNet-50",
    r"swin_tiny": "Swin-T",
    r"bert-base-uncased$": "BERT base",
    r"(^|/)t5-small$": "T5 small",
}
WEIGHTS = {
    r"^eva02_.*clip": "EVA-CLIP",
    r"clip.*\.openai$": "CLIP",
    r"dinov2": "DINOv2",
    r"\.dino$": "DINO",
    r"\.mae$": "MAE",
    r"\.augreg_in1k$": "AugReg IN1K",
    r"\.augreg_in21k$": "AugReg IN21K",
    r"^deit_": "DeiT",
    r"^resnet50\.tv_in1k$": "Supervised",
    r"(bert-base-uncased|(^|/)t5-small)$": "",
}


def add_arguments(parser):
    """Let the user say what the names of folder and model do not."""
    parser.add_argument(
        "--paper-data", metavar="NAME", help="the data set as the paper calls it"
    )
    parser.add_argument(
        "--paper-backbone",
        metavar='"ARCHITECTURE, WEIGHTS"',
        help='such as "ViT-B/16, DeiT", as the paper calls them',
    )


def setting(args):
    """(names of the data set, backbone, weights) in the papers' words, or None each."""
    key = re.sub("[^a-z0-9]", "", args.data.stem.lower())
    data = (args.paper_data,) if args.paper_data else DATA.get(key)
    if args.paper_backbone:
        backbone, _, weights = args.paper_backbone.partition(",")
        return data, backbone.strip(), weights.strip()
    if args.weights != "auto":
        return data, None, None
    name = args.backbone.removeprefix("hf-hub:").removeprefix("timm/")
    return data, _first(BACKBONES, name), _first(WEIGHTS, name)


def lookup(paper, args, *protocols):
    """Method -> (number in per cent, where it stands) of the setting of a run.

    Parameters
    ----------
    paper : {"R", "F"}
    args : Namespace
        Of a script, with the arguments of :func:`add_arguments`.
    *protocols : str
        As the table spells them; the first that has a method counts.
    """
    data, backbone, weights = setting(args)
    # Texts: the tables name no weights.
    if not data or not backbone or weights is None:
        return {}
    found = {}
    lines = [
        line
        for line in read()
        if line["paper"] == paper
        and line["data"] in data
        and (line["backbone"], line["pretrained"]) == (backbone, weights)
    ]
    for protocol in protocols:
        for line in lines:
            if line["protocol"] == protocol:
                parts = f"{paper} Table {line['table']}", line["metric"], line["note"]
                number = float(line["value"]), ", ".join(filter(None, parts))
                found.setdefault(line["method"], number)
    return found


def read():
    """All lines, as dicts."""
    with FILE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _first(patterns, name):
    return next((to for part, to in patterns.items() if re.search(part, name)), None)


def published(**wanted):
    """Lines whose columns hold all of the wanted texts."""
    return [
        line
        for line in read()
        if all(str(text).lower() in line[key].lower() for key, text in wanted.items())
    ]


def print_published(lines):
    """Print lines of the papers under our own numbers."""
    if not lines:
        print("\nThe papers list no number for this setting.")
        return
    print("\nPublished (F):")
    for line in lines:
        setting = f"{line['backbone']} {line['pretrained']}, {line['protocol']}"
        print(f"  {line['data']}, {setting}, {line['method']}: {line['value']}")
