#!/usr/bin/env bash
# Lesson 5: training in action.
#
# The deeper model of lesson 4 is trained on, on the mixture of lesson 3. The run is stopped half-way and continued: it
# ends with the same weights, bit for bit, as one that was never stopped.
source "$(dirname "$0")/common.sh"
needs "$out/4-models/upscaled/model.safetensors" "lesson 4"

say "The first half; the loss before the first step is what the surgery left"
# The length of the whole run is stated from the start, for the learning rate follows it. A stop is a signal: here one
# that comes after half of the steps, in life Ctrl-C or a queue that ends.
run python examples/course/stop_after.py $((steps / 2)) "$out/5-run/metrics.csv" \
    python -m trainer fit --config examples/course/training.yaml --data.path "$out/3-tokens/recipe.json" \
    --run "$out/5-run" --model.init.strategy continue --model.init.source "$out/4-models/upscaled" \
    --trainer.max-steps "$steps" --trainer.val-check-interval $((steps / 4)) --prompts examples/course/prompts.txt

say "The second half: --resume and nothing else"
run python -m trainer fit --resume "$out/5-run"

say "What a run leaves"
ls "$out/5-run" "$out/5-run/checkpoints"
echo "Open $out/5-run/report.html."
