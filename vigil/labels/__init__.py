"""Labels that are asked for: which rows, with what probability, how they go out as a file and come back."""
