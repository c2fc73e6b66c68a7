"""What to do about a parameter of a transformer that has no allowed value."""

IMAGE_REMEDIES = {
    "backbone": "Use the name of a timm model, such as 'tf_efficientnet_lite0', a "
    "torch.nn.Module, or a function that returns one.",
    "weights": "Use 'auto', the path of a .safetensors or .pth file, or None for "
    "random weights.",
    "pooling": "'auto' pools as the model itself does, 'avg' takes the mean over "
    "positions.",
    "layer": "Use the name or number of a layer, such as 'blocks.5' or -2, or None for "
    "the model's last features.",
    "image_size": "Use a side in pixels, such as 224, a pair (height, width), or None "
    "for the model's own size.",
    "image_shape": "Use (height, width) or (height, width, channels) of the flattened "
    "images, or None where they are squares.",
    "batch_size": "Use 'auto', or a number of images, a small one where memory is "
    "short.",
    "precision": "Use 'auto' or 'float32'; 'bf16' is faster where the hardware has it "
    "and changes rows by a few percent.",
    "memory": "Use the path of a folder that keeps computed rows, a joblib.Memory, or "
    "None to keep none.",
    "on_error": "'raise' names the images that cannot be read, 'nan' goes on with rows "
    "of NaN in their place.",
    "backbone_params": "Use a dict of arguments of timm.create_model, such as "
    "{'drop_path_rate': 0.1}, or None.",
}

DENSE_REMEDIES = {
    **IMAGE_REMEDIES,
    "image_size": "Use the shorter side in pixels, such as 512, a pair (height, "
    "width), or None for each image's own size.",
    "stride": "Use the pixels from one position to the next, such as 16, or None for "
    "the grid of the finest layer.",
    "gradients": "Use 'simclr', a PatchSimCLRObjective, or None for features alone.",
    "gradient_layer": "Use 'auto', or the name of a linear layer or a convolution, "
    "such as 'blocks.5.attn.proj'.",
    "gradient_form": "'pairs' are compared exactly, 'projected' serve every engine.",
    "projection_dim": "Use the width of projected gradients, such as 512, or None for "
    "that of the features.",
}

FUNGI_REMEDIES = {
    **IMAGE_REMEDIES,
    "objectives": "Use names among 'kl', 'dino' and 'simclr', or objects such as "
    "DINOObjective(n_local=4), one or a tuple of them.",
    "layer": "Use 'auto', or the name of a linear or convolutional layer of the "
    "backbone, such as 'blocks.5.attn.proj'.",
    "projection_dim": "Use the width of a gradient block, such as 512, or None for "
    "that of the embedding.",
    "include_embedding": "True puts the embedding beside the gradients, False leaves "
    "it out.",
    "include_view_embeddings": "True adds the mean embeddings of the views of DINO and "
    "SimCLR as blocks, False leaves them out.",
    "n_components": "Use 'auto', a width after PCA, or None for all columns.",
    "view_size": "Use a side in pixels, a pair (height, width), or None for the size "
    "of the model.",
}

BLOCK_REMEDIES = {
    "weights": "Use numbers from 0 on, such as (0, 0.25, 0.5, 1, 2).",
    "blocks": "Use 'auto', a dict such as {'a': slice(0, 64), 'b': slice(64, 128)}, "
    "the widths of all blocks, or a number of blocks of equal width.",
    "center": "True subtracts each block's mean over the training rows first, False "
    "leaves it.",
    "n_neighbors": "Use one number of voting rows, such as 20, or several, such as "
    "(5, 20).",
    "tau": "Use 'auto', or one positive temperature or several, such as (0.05, 0.1).",
    "scoring": "'neg_log_loss' sees more of the votes than 'accuracy'.",
    "n_components": "Use the width after a PCA of the weighed blocks, or None for no "
    "PCA.",
}
