#!/bin/sh
# A sweep in N shards by GNU parallel, then merged: the same bytes as in one process.
#
#   validation/recipes/gnu-parallel.sh 3 OUT memory-greedy --over load=.1:.9:.1 --solver both
#
# The shards are OUT/part1 …, the whole is OUT/all. What was killed goes on when the same line is given again. FLUIDSIM names the program.
# On several machines that share the folder: PARALLEL="--sshlogin node1,node2 --workdir ." before the line (GNU parallel reads it).
set -eu
if [ $# -lt 3 ]; then
    sed -n '2,7p' "$0" >&2
    exit 2
fi
parts=$1
out=$2
shift 2
program=${FLUIDSIM:-fluidsim}
mkdir -p "$out"
# One thread a shard, as many shards at a time as there are cores.
export RAYON_NUM_THREADS="${RAYON_NUM_THREADS:-1}"
seq "$parts" |
    parallel --quote --halt soon,fail=1 --env RAYON_NUM_THREADS \
        "$program" sweep "$@" --shard "{}/$parts" --out "$out/part{}"
"$program" merge $(seq -f "$out/part%.0f" "$parts") --out "$out/all"
