#!/usr/bin/env bash
# Lesson 6: evaluation.
#
# The first questions to a pretrained model: how well does it predict text it has not seen, is that better than the
# simplest thing that could work, what does it write, and how does it do on tasks that others measure by?
source "$(dirname "$0")/common.sh"
needs "$out/5-run/report.html" "lesson 5"

say "Perplexity and bits a byte of both models on prose held out, each token once"
run python -m trainer evaluate "$out/4-base/checkpoints/last" "$out/5-run/checkpoints/last" \
    --perplexity "$out/3-tokens/prose"

say "Both runs side by side: losses, what they cost, scores, and in what they differ"
run python -m trainer compare "$out/4-base" "$out/5-run" --page "$out/6-compare.html"

say "The loss of each source of the mixture"
run tail -n 2 "$out/5-run/sources.csv"

say "What to beat: a bigram model of the same tokens"
run python examples/bigram.py "$out/3-tokens/prose"

say "What it writes; samples.csv and report.html have what it wrote before it was trained"
run python -m trainer generate "$out/5-run/checkpoints/last" --prompt "Return the" --max-new-tokens 40 --temperature 0.7

say "Tasks"
cat <<END
A model of this size does no better than chance at the tasks of leaderboards. For one that may, with a network, or with
the tasks' sets in a folder and --data:

  python -m trainer evaluate MODEL --suite h6
  python -m trainer judge MODEL OTHER --prompts examples/course/prompts.txt --judge JUDGE_MODEL
END
