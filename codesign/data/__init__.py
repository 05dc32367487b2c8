"""Labelled images for training and measuring quality: what a data set is, its readers, a procedural one."""
