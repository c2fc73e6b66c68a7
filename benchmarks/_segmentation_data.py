"""Images and masks of a data set, in the layouts in which they are spread."""

from pathlib import Path

_IMAGES = {".jpg", ".jpeg", ".png", ".webp"}
# Parts by other names: ADE20K's.
_FOLDERS = {"train": ("train", "training"), "test": ("test", "val", "validation")}
_LISTS = {"train": ("trainaug", "train"), "test": ("val",)}


def load_pairs(folder, part):
    """Paths of images and of their masks.

    ``part`` ("train" or "test") is a folder of folders ``images`` and ``masks``, or
    the folder is ADE20K's (``images/training``, ``annotations/training``) or Pascal
    VOC's (``JPEGImages``, ``SegmentationClass`` or ``SegmentationClassAug``, lists in
    ``ImageSets/Segmentation``).
    """
    folder = Path(folder)
    for name in _FOLDERS[part]:
        for images, masks in (
            (folder / name / "images", folder / name / "masks"),
            (folder / "images" / name, folder / "annotations" / name),
        ):
            if images.is_dir() and masks.is_dir():
                return _matched(images, masks)
    for name in _LISTS[part]:
        listed = folder / "ImageSets" / "Segmentation" / f"{name}.txt"
        if listed.is_file():
            return _matched(
                folder / "JPEGImages", _voc_masks(folder), listed.read_text().split()
            )
    raise SystemExit(
        f"{folder} has no part {part!r}: it needs {part}/images and {part}/masks, or "
        "the folders of ADE20K or Pascal VOC."
    )


def _voc_masks(folder):
    more = folder / "SegmentationClassAug"
    return more if more.is_dir() else folder / "SegmentationClass"


def _matched(images, masks, names=None):
    by_name = {p.stem: p for p in sorted(images.iterdir()) if p.suffix in _IMAGES}
    names = list(by_name) if names is None else names
    files = [masks / f"{name}.png" for name in names]
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise SystemExit(f"{len(missing)} masks are missing: {missing[0]}, ...")
    return [str(by_name[name]) for name in names], [str(file) for file in files]
