#!/usr/bin/env bash
# All the checks, part by part. Every part runs; one failure fails the whole.
set -uo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
# The checks are about the book as it is stored, not about the caller's dials.
unset BOOK_SCALE BOOK_SEED BOOK_EXECUTOR BOOK_FRESH_SINCE BOOK_DEADLINE
export BOOK_RECORDS=only
# Two processes at a time, so one thread each: with two they wait for one another.
export OMP_NUM_THREADS=1

table="" failed=0

part() {
    local name=$1 start=$SECONDS verdict=passed
    shift
    printf '\n== %s\n' "$name"
    "$@" || { verdict=FAILED; failed=1; }
    table+=$(printf '%-10s %5d s  %s' "$name" $((SECONDS - start)) "$verdict")$'\n'
}

lint() { ruff check . && ruff format --check .; }
unit() { pytest -n 2 tests --ignore-glob='tests/test_site*' --ignore-glob='tests/test_book*'; }
chapters() {
    # On another numeric back-end than the one that executed them: the verdicts must
    # survive it. The kernels' libraries warn as they please; what counts is the outputs.
    ATEN_CPU_CAPABILITY=default PYTHONPATH=tests:${PYTHONPATH:-} \
        pytest -n 2 --dist loadfile -p kernels --no-loadscope-reorder -W default \
        --nbval-lax --nbval-cell-timeout 300 --nbval-current-env book/*.ipynb
}
mutants() { python tests/mutants.py --count 8 --least 0.5; }

part lint lint
part unit unit
part build bash tests/build.sh
part book pytest -n 2 tests/test_book*.py
part browser pytest -rs -n 2 tests/test_site.py
part chapters chapters
part mutants mutants

printf '\n%s%-10s %5d s\n' "$table" total "$SECONDS"
exit "$failed"
