"""The review queue: which predictions a person should look at and why, how they go out as a file, and what came back."""
