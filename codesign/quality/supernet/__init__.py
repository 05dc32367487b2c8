"""One network that holds the weights of all networks of a space: trained once, rated in any size."""
