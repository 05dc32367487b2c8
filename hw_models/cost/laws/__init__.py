"""What engines of a class make of kernels beyond the roofline: constants tied over a whole class."""
