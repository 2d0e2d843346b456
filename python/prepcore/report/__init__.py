"""What was done, for people: a cleaned folder as tables, as a page, and document by document."""
