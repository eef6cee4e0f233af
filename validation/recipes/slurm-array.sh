#!/bin/sh
# A sweep as a SLURM array, one shard a task.
#
#   mkdir -p OUT
#   job=$(sbatch --parsable --array=1-3 validation/recipes/slurm-array.sh OUT memory-greedy --over load=.1:.9:.1 --solver both)
#   sbatch --dependency=afterok:$job --wrap "fluidsim merge OUT/part1 OUT/part2 OUT/part3 --out OUT/all"
#
# OUT lies on a file system that all nodes share. A task that is killed or requeued goes on where it was. FLUIDSIM names the program.
#SBATCH --job-name=fluidsim
#SBATCH --cpus-per-task=1
#SBATCH --requeue
set -eu
out=$1
shift
export RAYON_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"
exec "${FLUIDSIM:-fluidsim}" sweep "$@" \
    --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --out "$out/part$SLURM_ARRAY_TASK_ID"
