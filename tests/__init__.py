"""Tests of the project; packages, so that files of different folders may bear the same name."""
