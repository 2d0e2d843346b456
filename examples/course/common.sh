# Shared by the lessons; sourced, not run. Everything they make lies in course/.
#
# COURSE_OUT    where to                        (course)
# COURSE_STEPS  optimizer steps of a training   (400: a minute or two on two cores)
# COURSE_LIMIT  documents of each source taken  (all)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

export PATH="$PWD/.venv/bin:$PATH"
out=${COURSE_OUT:-course}
steps=${COURSE_STEPS:-400}
limit=(${COURSE_LIMIT:+--limit "$COURSE_LIMIT"})
# The tokenizer and the model are those of `make demo`: small enough for a laptop.
vocabulary=1024
length=128

say() { printf '\n== %s\n' "$*"; }
run() { printf '$'; printf ' %q' "$@"; printf '\n'; "$@"; }

# needs FILE LESSON: stop with a sentence where an earlier lesson has not been gone through.
needs() {
    [[ -e $1 ]] || { echo "error: $1 is not there; go through $2 first" >&2; exit 2; }
}
