"""The order of the gallery's examples."""

from pathlib import Path


class PhotosFirst:
    """Sort key of file names: examples on photos, on other things users have, the rest.

    Parameters
    ----------
    folder : str
        Folder of the examples.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def __call__(self, name: str) -> tuple[int, str]:
        text = (self.folder / name).read_text("utf8")
        photos = ("load_sample_image", "load_image_folder", "skimage")
        networks = ("BackboneEmbedder", "FungiTransformer", "DenseEmbedder")
        if any(word in text for word in photos):
            return 0, name
        return (1 if any(word in text for word in networks) else 2), name

    def __repr__(self) -> str:
        # Part of Sphinx's record of the configuration: the same in every build.
        return f"{type(self).__name__}()"
