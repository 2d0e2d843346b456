#!/usr/bin/env bash
# Lesson 4: preparing the model.
#
# Ways to the first weights: random ones; those of a model that is there (lesson 1 continued one); of one with layers
# taken out (downscale); of one with layers doubled (upscale). The course writes notebook cells for the last two; here
# each is an option.
source "$(dirname "$0")/common.sh"
needs "$out/3-tokens/recipe.json" "lesson 3"

say "Random weights: the model of \`make demo\`, which learns the mixture and is the base of what follows"
run python -m trainer fit --config demo --data.path "$out/3-tokens/recipe.json" --run "$out/4-base" \
    --trainer.max-steps "$steps" --trainer.val-check-interval "$steps" --trainer.limit-val-batches 20
base=$out/4-base/checkpoints/last

say "Downscale: three of the four layers, the first two and the last one"
run python -m trainer init --model.init.strategy downscale --model.init.source "$base" --model.init.layers 3 \
    --out "$out/4-models/downscaled"

say "Upscale: six layers out of four, two copies that overlap (SOLAR)"
run python -m trainer init --model.init.strategy upscale --model.init.source "$base" --model.init.layers 6 \
    --out "$out/4-models/upscaled"

say "Each is a Hugging Face folder"
ls "$out/4-models/upscaled"
