#!/usr/bin/env bash
# Lesson 2: data preparation.
#
# The course removes documents that are too short, repeat themselves, came before, or are in another language. Here
# `prepcore clean` does; every threshold is an option, and every document that goes is accounted for.
source "$(dirname "$0")/common.sh"
needs "$out/prose.jsonl" "lesson 1"

say "What would be done, without doing it"
run prepcore clean "$out/prose.jsonl" --out "$out/2-clean/prose" --dry-run

say "Clean the prose: short lines, repetition, duplicates"
run prepcore clean "$out/prose.jsonl" --out "$out/2-clean/prose" "${limit[@]}"

say "Code has other lines than prose: a rule that does not fit is turned off, and says so in the manifest"
run prepcore clean "$out/code.jsonl" --out "$out/2-clean/code" --rules.repetition off "${limit[@]}"

say "What each rule took away; report.html in the folder shows it with examples"
run prepcore report "$out/2-clean/prose"

say "Some of those that went, and why"
run prepcore sample "$out/2-clean/prose" --reason short_lines --number 2

say "Language: with the extra 'language' installed, --language en keeps English alone, as the course does"
echo "\$ prepcore clean $out/prose.jsonl --profile course --out $out/2-clean/english"
