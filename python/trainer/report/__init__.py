"""``report.html`` of a run: what its other files say, on one page for people."""
