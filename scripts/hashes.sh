#!/usr/bin/env bash
# Writes constraints-hashes.txt: the versions of constraints.txt with the hashes that PyPI has of their files.
#   pip install uv && bash scripts/hashes.sh [WHEEL ...]
# WHEELs are more files to allow, such as torch's CPU build, which is not on PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."
out=constraints-hashes.txt
{
  echo "# The versions of constraints.txt with hashes of their files, written by scripts/hashes.sh:"
  echo "#   pip install --require-hashes --no-deps -r constraints-hashes.txt && pip install --no-deps -e ."
  uv pip compile constraints.txt --no-deps --generate-hashes --universal --python-version 3.11 --no-annotate --no-header --quiet
} > "$out"
for wheel in "$@"; do
  name=$(basename "$wheel"); package=${name%%-*}
  hash=$(sha256sum "$wheel" | cut -d' ' -f1)
  sed -i "s|^\($package==[^ ]*\) \\\\\$|\1 \\\\\n    --hash=sha256:$hash \\\\|" "$out"
done
