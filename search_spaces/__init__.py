"""What may be built, and its workload without building it: spaces of networks and of chips."""

from search_spaces import torchvision_hook

torchvision_hook.install()
