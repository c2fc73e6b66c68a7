"""What every stage needs and none owns; nothing here imports another package of ours.

``_sklearn`` holds the only imports of scikit-learn's private names, ``_parameters``
aliases and remedies of parameters, ``_device`` the choice of a torch device,
``_threads`` all limits on threads, ``_out_of_memory`` what tells that memory ran out,
``_optional`` the import of packages that an extra installs, ``_bad_values`` errors over
NaN and infinity.
"""
