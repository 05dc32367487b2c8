"""What measurements of a chip add to the law of its class: scalars, residuals of siblings, how sure it is."""
