#!/usr/bin/env bash
# What a study does on a real Slurm: an array job per wave, one that is left, requeue, preemption and time limit.
#
#   SLURM_RECIPE=<folder> scripts/slurm_demo.sh [scratch folder]     (about 9 minutes on 2 cores)
#
# Run by hand, not by the tests. It needs root on Debian, tlbench[slurm] in the active environment, and
#   apt-get install --no-install-recommends slurm-wlm munge slurmdbd mariadb-server
# SLURM_RECIPE holds slurm-up.sh and slurm-down.sh, which start and end a Slurm of one node in the folder they
# are given, with a slurm.conf there and the partitions `debug`, whose jobs can be preempted, and `urgent`, whose
# jobs do that. Purge the packages afterwards: with an srun installed Lightning prints a note in every run.
# Ends with 0 if all of it was seen.
set -euo pipefail

scratch=$(realpath "${1:-$(mktemp -d)}")
export SLURM_CONF=$scratch/slurm/slurm.conf
bash "$SLURM_RECIPE/slurm-up.sh" "$scratch/slurm"
trap 'bash "$SLURM_RECIPE/slurm-down.sh" "$scratch/slurm"' EXIT
cd "$scratch"
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive  # not above: nproc, which counts the node's cores, follows it

slurm=(hydra/launcher=slurm hydra.launcher.partition=debug)
long=(-m target_task=rte suite=generated encoder=tiny logger=none trainer.accelerator=cpu eval_every=5
      optim.lr=1e-3 trainer.max_epochs=60)

say() { printf '\n== %s\n' "$*"; }
tlbench() { python -m tlbench "$@"; }
wait_until() { for _ in $(seq 600); do "$@" > /dev/null 2>&1 && return; sleep 0.2; done; echo "never: $*"; exit 1; }
job_log() { ls "multirun/$1"/rte-*/tlbench.log; }
has_trained() { test "$(grep -c ' step ' "$(job_log "$1")")" -ge 2; }
pending() { squeue -h -j "$job" -t PENDING | grep .; }
start_now() { scontrol update jobid="$job" StartTime=now; }  # Slurm holds a requeued job for two minutes

# begin STUDY [OVERRIDE...]: a long stage as a job of its own, until it has been evaluated some times.
begin() {
  tlbench "${long[@]}" study="$1" store_dir="stores/$1" "${slurm[@]}" "${@:2}" > "$1.out" 2>&1 &
  launcher=$!
  wait_until has_trained "$1"
  job=$(squeue -h -n tlbench -o %i)
}

# end STUDY: the launcher ends with 0, each leg went on from a checkpoint, and the score is the undisturbed one.
end() {
  wait "$launcher"
  sleep 2  # what sacct says comes late
  sacct -X --duplicates -j "$job" -o JobID,State,Elapsed
  grep -oE '(: training|checkpoint at|going on|told to stop| step [0-9]+/).*' "$(job_log "$1")"
  python - "$1" << 'PYTHON'
import json, pathlib, re, sys

def only(study, name):
    (file,) = pathlib.Path("multirun", study).glob(f"rte-*/{name}")
    return file.read_text()

log, ours, undisturbed = only(sys.argv[1], "tlbench.log"), *(
    json.loads(only(study, "result.json")) for study in (sys.argv[1], "undisturbed"))
steps = [int(step) for step in re.findall(r" step (\d+)/", log)]
legs, resumed = log.count(": training "), [int(n) for n in re.findall(r"going on from step (\d+)", log)]
assert len(resumed) == legs - 1 > 0 and min(resumed) > 0, f"{legs} legs, gone on from {resumed}"
# A time limit may strike inside an optimiser's step; then the stage goes on from the checkpoint before.
assert sys.argv[1] == "limited" or steps == sorted(set(steps)), f"steps were trained again: {steps}"
assert steps[-1] == ours["steps"] == undisturbed["steps"], (steps[-1], ours["steps"])
assert ours["score"] == undisturbed["score"], (ours["score"], undisturbed["score"])
print(f"gone on from {resumed} of {steps[-1]} steps; score {ours['score']:.4f}, as undisturbed")
PYTHON
}

say "the smoke study: each wave is an array job"
tlbench experiment=smoke "${slurm[@]}" 2> smoke.err
test "$(grep -l '"status": "done"' multirun/smoke/*/result.json | wc -l)" = 36
sleep 2
sacct -X -n -o JobID,State

say "the smoke study, four stages a Slurm job"
tlbench experiment=smoke study=beside store_dir=stores/beside "${slurm[@]}" hydra.launcher.stages_per_job=4 2> beside.err
test "$(grep -l '"status": "done"' multirun/beside/*/result.json | wc -l)" = 36

say "a study that is left: both waves are queued, and the same command ends it"
left=(-m target_task=rte support_task=mnli strategy=stilts seed=0,1 suite=generated encoder=tiny logger=none
      trainer.accelerator=cpu trainer.max_epochs=1 study=left store_dir=stores/left "${slurm[@]}"
      hydra.sweeper.detach=true)
queue_is_empty() { ! squeue -h -n tlbench | grep .; }
tlbench "${left[@]}" 2> left.err
scancel "$(squeue -h -r -n tlbench -t PENDING -o %i | tail -1)"
tlbench "${left[@]}" 2>> left.err | tee left.out
grep -q "^to be submitted again: " left.out
wait_until queue_is_empty
tlbench "${left[@]}" 2>> left.err
test "$(grep -l '"status": "done"' multirun/left/*/result.json | wc -l)" = 2
test "$(grep -h ': training as' -r multirun/left --include=tlbench.log | wc -l)" = 4  # each stage once

say "a long stage, undisturbed"
tlbench "${long[@]}" study=undisturbed store_dir=stores/undisturbed > undisturbed.out 2>&1

say "requeued in the middle of it"
begin requeued
scontrol requeue "$job"
wait_until pending
start_now
end requeued

say "preempted by a job of the partition urgent"
begin preempted
sbatch --partition=urgent --cpus-per-task="$(nproc --all)" --output=/dev/null --wrap 'sleep 2'
wait_until pending
start_now
end preempted

say "stopped at its time limit, and again"
begin limited hydra.launcher.timeout_min=1 hydra.launcher.signal_delay_s=30 trainer.checkpoint_minutes=0.1
while kill -0 "$launcher" 2> /dev/null; do
  if pending > /dev/null; then start_now; fi
  sleep 1
done
end limited

say "all of it was seen"
