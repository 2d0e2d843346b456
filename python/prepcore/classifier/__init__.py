"""Classifiers of documents: trained here with the fastText library, applied by ``prepcore clean``."""
