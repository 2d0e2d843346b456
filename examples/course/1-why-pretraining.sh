#!/usr/bin/env bash
# Lesson 1: why pretraining.
#
# What a model knows comes from the text it was pretrained on. A model that has read English docstrings alone is
# shown Python code, which it predicts badly; then it is trained on code for a while and predicts it well. No
# instruction and no prompt would have done that.
source "$(dirname "$0")/common.sh"
mkdir -p "$out"

say "Two kinds of text that every machine with Python has: prose and code"
run python examples/gather_docstrings.py "$out/prose.jsonl"
run python examples/course/gather_code.py "$out/code.jsonl"

say "One tokenizer for both, and rows of $length tokens of each; some documents are held out"
run prepcore tokenizer "$out/prose.jsonl" "$out/code.jsonl" --vocabulary-size $vocabulary --out "$out/tokenizer"
for kind in prose code; do
    run prepcore pack "$out/$kind.jsonl" --tokenizer "$out/tokenizer" --sequence-length $length \
        --validation 5% --out "$out/1-why/$kind" "${limit[@]}"
done

say "A small Llama reads prose"
run python -m trainer fit --config demo --data.path "$out/1-why/prose" --run "$out/1-why/read-prose" \
    --prompts examples/course/prompts.txt --trainer.max-steps "$steps" --trainer.val-check-interval "$steps"

say "It goes on with code: the validation before the first step is what it knew of code until then"
run python -m trainer fit --config examples/course/training.yaml --data.path "$out/1-why/code" \
    --run "$out/1-why/then-code" \
    --model.init.strategy continue --model.init.source "$out/1-why/read-prose/checkpoints/last" \
    --prompts examples/course/prompts.txt --trainer.max-steps "$steps" --trainer.val-check-interval "$steps"

say "What it knew of code before and after"
run python examples/course/losses.py "$out/1-why/then-code"
echo "Open $out/1-why/then-code/report.html: the loss, and how each prompt was continued before and after."
