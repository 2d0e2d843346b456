"""Tests of the trainer, a file a module."""
