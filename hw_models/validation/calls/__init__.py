"""How a GPU's libraries run one operator: tiles of products, algorithms of convolutions, passes over rows."""
