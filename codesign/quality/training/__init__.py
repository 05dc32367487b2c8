"""Training a network to learn how good it is: a plain loop made for trials, and the quality that it gives."""
