"""Labelled samples, by name: the embedded Fashion-MNIST subset, idx files, `.npz` files, folders of images."""
