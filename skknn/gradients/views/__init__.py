"""What an objective's network passes see of an item: one modality a file."""
