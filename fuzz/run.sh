#!/usr/bin/env bash
# Runs a target for so many seconds: `fuzz/run.sh jsonl 600`. What it finds is left in build/fuzz as crash-…,
# timeout-… or oom-…, to be given to the target's binary once more.
set -euo pipefail
cd "$(dirname "$0")/.."

name=$1 seconds=$2
folder=${FUZZ_FOLDER:-build/fuzz}
export FUZZ_TOKENIZERS=$folder/tokenizers
mkdir -p "$folder/corpus/$name"
fuzz/build.sh --quiet --bin "$name"
host=$(rustc -vV | sed -n 's/^host: //p')
binary=${FUZZ_TARGET_DIR:-fuzz/target}/$host/release/$name
# A file may claim pages of 2 GiB, which are reserved and never touched.
nice -n 10 "$binary" "$folder/corpus/$name" -artifact_prefix="$folder/$name-" -max_total_time="$seconds" \
    -max_len=65536 -timeout=60 -rss_limit_mb=4096 -malloc_limit_mb=4096 -print_final_stats=1
