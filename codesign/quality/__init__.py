"""How good a network is: where the figure comes from, how far it can be trusted, and what it leaves out."""
