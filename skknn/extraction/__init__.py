"""Items to rows of features: the loop, threads, processes, the row cache."""
