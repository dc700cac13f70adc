#!/usr/bin/env bash
# Render the stored outputs; a warning is an error. Warnings come on stderr, and what
# Jupyter Book has to say about itself is not wanted.
set -euo pipefail
cd "$(dirname "$0")/.."

.venv/bin/jupyter-book build book --quiet -W --keep-going \
    --config _config.yml --toc "$PWD/_toc.yml" --path-output . >/dev/null || {
    rm -rf _build/.doctrees  # or the next build would pass over the same pages
    echo "The book was not built: each warning above has to go." >&2
    exit 1
}
echo "Open file://$PWD/_build/html/index.html"
