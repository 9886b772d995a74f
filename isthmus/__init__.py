"""Isthmus: a service mesh for Kubernetes that joins clusters."""

__version__ = "0.1.0"
