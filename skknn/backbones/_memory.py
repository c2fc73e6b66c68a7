"""Recognise that a device is out of memory."""

import gc

import torch

_MESSAGES = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "alloc_failed",
)


def is_out_of_memory(error):
    """Tell whether an exception means that memory ran out, on any device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    if not isinstance(error, RuntimeError):
        return False
    message = str(error).lower()
    return any(text in message for text in _MESSAGES)


def release_memory():
    """Give back what can be given back before trying again."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
