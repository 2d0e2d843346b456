#!/usr/bin/env bash
# Lesson 3: packaging data for pretraining.
#
# Documents become token ids, with a token that begins and one that ends each, and are laid end to end in rows of one
# length, so that no step of the training computes padding.
source "$(dirname "$0")/common.sh"
needs "$out/2-clean/prose/manifest.json" "lesson 2"

say "A tokenizer of one's own, from the cleaned text: a byte-level BPE of $vocabulary entries"
run prepcore tokenizer "$out/2-clean/prose" "$out/2-clean/code" --vocabulary-size $vocabulary --out "$out/3-tokenizer"

say "Rows of $length tokens; 5 % of the documents are held out, chosen by a hash of their text"
for kind in prose code; do
    run prepcore pack "$out/2-clean/$kind" --tokenizer "$out/3-tokenizer" --sequence-length $length --validation 5% \
        --out "$out/3-tokens/$kind"
done

say "What the rows hold: tokens a byte, lengths of documents, the most frequent tokens"
run prepcore report "$out/3-tokens/prose"

say "Where a row came from"
run prepcore trace "$out/3-tokens/prose" --row 3

say "The same tokens in other rows: documents whole where they fit, beside counted padding"
run prepcore pack "$out/3-tokens/prose" --packing best-fit --sequence-length $length --out "$out/3-tokens/prose-best-fit"

say "A mixture: seven rows of prose to three of code, in every part of the training"
run prepcore mix --source "prose=$out/3-tokens/prose:70%" "code=$out/3-tokens/code:30%" --out "$out/3-tokens/recipe.json" \
    --tokens $((steps * 8 * length))
