#!/usr/bin/env bash
# From raw text to a small Llama that writes, then a deeper one made from it. Run by `make demo`.
# Everything it makes lies in demo/. With --data-only it stops before training and needs no torch.
set -euo pipefail
cd "$(dirname "$0")/.."

data_only=false
[[ "${1:-}" == --data-only ]] && data_only=true

export PATH="$PWD/.venv/bin:$PATH"
out=demo

say() { printf '\n== %s\n' "$*"; }
run() { printf '$'; printf ' %q' "$@"; printf '\n'; "$@"; }

if [[ -e $out ]]; then
    # Only a folder that an earlier demo made is removed.
    [[ -e $out/raw.jsonl ]] || { echo "error: $out/ is there and is not an earlier demo's; move it away" >&2; exit 2; }
    rm -rf "$out"
fi

say "Raw text: the docstrings and help topics of this Python's standard library"
run python examples/gather_docstrings.py $out/raw.jsonl

say "Clean: drop what is short, repeats itself, or came before"
run prepcore clean $out/raw.jsonl --out $out/cleaned

say "Tokenizer: a byte-level BPE of 1,024 entries"
run prepcore tokenizer $out/cleaned --vocabulary-size 1024 --out $out/tokenizer

say "Pack: rows of 128 tokens, 5 % of the documents held out"
run prepcore pack $out/cleaned --tokenizer $out/tokenizer --sequence-length 128 --validation 5% --out $out/tokens

if $data_only; then
    say "The training rows lie in $out/tokens, the kept documents in $out/cleaned"
    exit
fi

say "Plan: what the run will need, before it runs"
run python -m trainer plan --config demo --data.path $out/tokens --trainer.accelerator cpu

say "What to beat: a bigram model"
run python examples/bigram.py $out/tokens

say "Before training: a Llama with random weights writes noise"
run python -m trainer init --model.preset demo --tokenizer $out/tokenizer --out $out/untrained
run python -m trainer generate $out/untrained --prompt "Return the" --max-new-tokens 60

say "Train it: about two minutes"
run python -m trainer fit --config demo --data.path $out/tokens --run $out/runs/demo --prompts examples/prompts.txt

say "After training"
run python -m trainer generate $out/runs/demo/checkpoints/last --prompt "Return the" --max-new-tokens 60 --temperature 0.7

say "Deeper: six layers made from the four that were trained, trained on for a moment"
run python -m trainer fit --config demo --data.path $out/tokens --run $out/runs/deeper \
    --model.init.strategy upscale --model.init.source $out/runs/demo/checkpoints/last --model.init.layers 6 \
    --optimizer.learning-rate 0.001 --trainer.max-steps 200 --trainer.val-check-interval 100
run python -m trainer generate $out/runs/deeper/checkpoints/last --prompt "Return the" --max-new-tokens 60 --temperature 0.7

say "The loss beside the bigram's"
run python examples/bigram.py $out/tokens --run $out/runs/demo --run $out/runs/deeper

say "Evaluate both on the documents held out, each token once"
run python -m trainer evaluate $out/runs/demo/checkpoints/last $out/runs/deeper/checkpoints/last --perplexity $out/tokens

say "Side by side"
run python -m trainer compare $out/runs/demo $out/runs/deeper --page $out/compare.html

say "What was made"
cat <<END
$out/cleaned                    the kept documents; dropped/ says why each of the others went
$out/tokenizer                  loads with transformers.AutoTokenizer
$out/tokens                     training rows, and validation/
$out/runs/demo/report.html      the run on one page; loss.png is the loss alone, metrics.csv has the numbers
$out/runs/demo/checkpoints/last a model folder: AutoModelForCausalLM.from_pretrained loads it
$out/runs/deeper                the same for the deeper model
$out/compare.html               both on one page
END
