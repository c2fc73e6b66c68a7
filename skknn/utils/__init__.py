"""What every stage needs and none owns; nothing here imports another package of ours.

``_sklearn`` holds the only imports of scikit-learn's private names, ``_parameters``
aliases and remedies of parameters, ``_device`` the choice of a torch device,
``_threads`` all limits on threads, ``_shared_setting`` settings of the process that
several threads need at once, ``_locks`` locks that are free in forks,
``_out_of_memory`` what tells that memory ran out, ``_optional`` the import of packages
that an extra installs, ``_bad_values`` errors over NaN and infinity, ``_labels`` those
over missing labels, ``_slices`` blocks of rows and columns, ``_tensors`` the way from
arrays to tensors and back, ``_precision`` float32 that keeps its bits, ``_bfloat16``
what the processor makes of that, ``_jit`` the compiler. Things are told from others by
``_module_key`` (within a process), ``_class_code`` (what is written) and ``_behaviour``
(what they answer).
"""
