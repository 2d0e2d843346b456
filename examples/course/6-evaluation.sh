#!/usr/bin/env bash
# Lesson 6: evaluation.
#
# The first questions to a pretrained model: how well does it predict text it has not seen, is that better than the
# simplest thing that could work, and what does it write?
source "$(dirname "$0")/common.sh"
needs "$out/5-run/report.html" "lesson 5"

say "Loss, perplexity and bits a byte on text held out, from the log of each run"
run python examples/course/losses.py "$out/4-base" "$out/5-run"

say "The loss of each source of the mixture"
run tail -n 2 "$out/5-run/sources.csv"

say "What to beat: a bigram model of the same tokens"
run python examples/bigram.py "$out/3-tokens/prose"

say "What it writes; samples.csv and report.html have what it wrote before it was trained"
run python -m trainer generate "$out/5-run/checkpoints/last" --prompt "Return the" --max-new-tokens 40 --temperature 0.7
