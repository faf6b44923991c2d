"""Model folders, their manifests, and the engines that run them."""
