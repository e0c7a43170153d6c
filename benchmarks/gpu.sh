#!/usr/bin/env bash
# All that a GPU is to show, in ten minutes: bash benchmarks/gpu.sh OUT [DEVICE]
# Each part writes OUT/<part>.md once it has ended, and is left out if that is there: after an interruption the same
# command goes on. At the end it prints all parts, which fit into docs as they are.
# DEVICE=cpu tries the script itself, on tiny sizes. No hub is needed: shapes have random weights.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:?bash benchmarks/gpu.sh OUT [cuda|cpu]}
device=${2:-cuda}
mkdir -p "$out"
out=$(realpath "$out")
if [ "$device" = cuda ]; then
  steps=300 rounds=2 methods=9 jobs="1 4 8" shapes="minilm distilroberta modernbert" tasks="rte,mnli"
  sweep="trainer=gpu suite=generated" of_methods=shape:minilm contenders="tlbench,own kernels,bare loop,Trainer tuned"
else
  steps=2 rounds=1 methods=1 jobs="2" shapes="tiny" tasks="rte"
  sweep="trainer.accelerator=cpu suite=generated trainer.max_steps=2 seed=0"
  of_methods=shape:tiny contenders="tlbench"
fi

part() {  # NAME COMMAND...: run it unless it has ended before; what fails is named, and the others go on
  local name=$1
  shift
  [ -e "$out/$name.md" ] && return
  echo "$name: $*" >&2
  if timeout 240 python -m "$@" > "$out/$name.part" 2> "$out/$name.log"; then
    mv "$out/$name.part" "$out/$name.md"
  else
    echo "$name failed: $out/$name.part, $out/$name.log" >&2
    failed=1
  fi
}

failed=0
IFS=, read -r -a contending <<< "$contenders"
of_shapes=()
for shape in $shapes; do of_shapes+=("shape:$shape"); done
part correctness benchmarks.correctness --device "$device" "${of_shapes[@]}"
for shape in $shapes; do
  part "speed_$shape" benchmarks.speed --device "$device" --encoder "shape:$shape" --tasks "$tasks" --batch-size 32 \
    --steps "$steps" --rounds "$rounds" --contenders "${contending[@]}" --precision bf16
done
# shellcheck disable=SC2086 # several words
part jobs benchmarks.jobs $sweep --rounds 1 --jobs $jobs
part methods benchmarks.methods --device "$device" --rounds "$methods" --tasks 2 --tasks 9 --encoder $of_methods
for file in "$out"/*.md; do
  printf '\n## %s\n\n' "$(basename "$file" .md)"
  cat "$file"
done
exit $failed
