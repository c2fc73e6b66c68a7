"""See which layers of a module feed which, by running it once."""


def watch(module, forward, x, sources, targets):
    """List the direct connections from some kinds of layers to others.

    Parameters
    ----------
    module : torch.nn.Module
    forward : callable
        (module, x) -> anything.
    x : tensor
    sources, targets : tuple of types
        Layers of exactly these types (sources) or instances of them (targets).

    Returns
    -------
    pairs : list of (source name, target name)
        The output of the one, unchanged, is the input of the other, and each runs
        once. Meaningful outside inference mode only, where tensors count changes.
    shapes : dict source name -> shape of its input
    """
    outputs, runs, inputs, shapes, handles = {}, {}, {}, {}, []

    def after_source(name):
        def hook(part, args, output):
            runs[name] = runs.get(name, 0) + 1
            shapes[name] = args[0].shape
            # Holding the tensor keeps its id from being used again.
            outputs[id(output)] = (name, output, output._version)

        return hook

    def before_target(name):
        def hook(part, args):
            source, tensor, version = outputs.get(id(args[0]), (None, None, None))
            # A residual may have been added in place since.
            unchanged = tensor is not None and tensor._version == version
            inputs.setdefault(name, []).append(source if unchanged else None)

        return hook

    for name, part in module.named_modules():
        if type(part) in sources:
            handles.append(part.register_forward_hook(after_source(name)))
        elif isinstance(part, targets):
            handles.append(part.register_forward_pre_hook(before_target(name)))
    try:
        forward(module, x)
    finally:
        for handle in handles:
            handle.remove()
    pairs = [
        (found[0], name)
        for name, found in inputs.items()
        if len(found) == 1 and runs.get(found[0]) == 1
    ]
    return pairs, shapes


def replace(module, name, part):
    """Put another layer in the place of the one with this name."""
    parent, _, child = name.rpartition(".")
    setattr(module.get_submodule(parent) if parent else module, child, part)
