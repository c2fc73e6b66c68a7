"""What similarities are called in texts."""

#: Least similarity of photos that texts call nearly the same. Below it pairs are only
#: very similar: on photo sets these were often different things in one place.
NEARLY_SAME = 0.9
