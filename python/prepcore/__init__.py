"""Raw text to packed training rows: clean, deduplicate, tokenise and pack documents of any number."""
