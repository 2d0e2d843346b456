#!/usr/bin/env bash
# Builds the targets with the coverage counters that libFuzzer looks at; the stable compiler has them too.
set -euo pipefail
cd "$(dirname "$0")"

export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=16 --cfg fuzzing"
host=$(rustc -vV | sed -n 's/^host: //p')
# With a target named, build scripts and macros are built without the counters.
cargo build --release --locked --target "$host" --target-dir "${FUZZ_TARGET_DIR:-target}" "$@"
