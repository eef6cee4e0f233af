#!/bin/sh
# Starts a one-node SLURM on loopback, runs slurm-array.sh as three tasks, merges them and compares the bytes with one process.
#
#   apt-get install -y slurm-wlm munge
#   validation/recipes/slurm-test.sh target/release/fluidsim      (as root; nothing is left behind)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
program=$(realpath "${1:-target/release/fluidsim}")
for needed in munged slurmctld slurmd sbatch squeue; do
    command -v "$needed" > /dev/null || { echo "skipped: $needed is not installed (apt-get install slurm-wlm munge)"; exit 0; }
done
[ "$(id -u)" = 0 ] || { echo "skipped: slurmd needs root"; exit 0; }

place=$(mktemp -d)
chmod 755 "$place"
pids=
stop() {
    for pid in $pids; do kill "$pid" 2> /dev/null || true; done
    sleep 1
    rm -rf "$place"
}
trap stop EXIT
mkdir "$place/munge" "$place/state" "$place/spool"
chmod 711 "$place/munge"
node=$(hostname -s)

# munge takes no key that others can read, and no folder that others can write.
head -c 1024 /dev/urandom > "$place/munge/key"
chmod 400 "$place/munge/key"
munged --foreground --force --num-threads=1 --key-file="$place/munge/key" --socket="$place/munge/socket" \
    --pid-file="$place/munge/pid" --log-file="$place/munge/log" --seed-file="$place/munge/seed" 2> /dev/null &
pids="$pids $!"

cat > "$place/slurm.conf" <<CONF
ClusterName=loopback
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$place/munge/socket
CredType=cred/munge
SlurmctldPort=26817
SlurmdPort=26818
StateSaveLocation=$place/state
SlurmdSpoolDir=$place/spool
SlurmctldPidFile=$place/slurmctld.pid
SlurmdPidFile=$place/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=$node Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF="$place/slurm.conf"
sleep 1
slurmctld -D -f "$SLURM_CONF" > "$place/slurmctld.log" 2>&1 &
pids="$pids $!"
slurmd -D -f "$SLURM_CONF" -N "$node" > "$place/slurmd.log" 2>&1 &
pids="$pids $!"

failed() {
    echo "failed: $1" >&2
    tail -n 20 "$place"/slurmctld.log "$place"/slurmd.log >&2
    exit 1
}
waited=0
until sinfo --noheader --format %T 2> /dev/null | grep -q idle; do
    waited=$((waited + 1))
    [ "$waited" -lt 60 ] || failed "the node is not idle after a minute"
    sleep 1
done

set -- --over load=.4,.7,1.3 --over policy.order=fcfs,shortest-prompt --solver both --trials 2 --duration 60 --warmup 10
cd "$place"
export FLUIDSIM="$program"
job=$(sbatch --parsable --array=1-3 --output="$place/task%a.log" "$here/slurm-array.sh" "$place" "$@")
waited=0
while [ -n "$(squeue --noheader --job "$job" 2> /dev/null)" ]; do
    waited=$((waited + 1))
    [ "$waited" -lt 300 ] || failed "the array has not finished in five minutes"
    sleep 1
done
cat "$place"/task*.log
"$program" merge part1 part2 part3 --out merged
"$program" sweep "$@" --out whole
cmp merged/results.csv whole/results.csv
cmp merged/manifest.json whole/manifest.json
echo "the array of three and one process have written the same bytes"
