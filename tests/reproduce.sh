#!/usr/bin/env bash
# Recompute every record, execute every chapter on them, render, and report.
# Killed at any point and called again, it goes on: records made since the first
# start are kept.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"

started=.reproduce-started
[ -s "$started" ] || date -u +%Y-%m-%dT%H:%M:%SZ > "$started"

recorded=$(python -c 'from helpers import experiments; print(*experiments.recorded())')
for chapter in $recorded; do
    BOOK_RECORDS=fresh BOOK_FRESH_SINCE=$(cat "$started") \
        python -m helpers record "$chapter"
done
chapters=$(python -c 'from helpers import ledger; print(*ledger.chapters())')
# shellcheck disable=SC2086
BOOK_RECORDS=only python book/_ext/execute.py $chapters scorecard
bash tests/build.sh
python -m helpers scorecard
rm "$started"
