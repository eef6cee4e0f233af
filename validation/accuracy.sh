#!/usr/bin/env bash
# The accuracy table of the README: theory against the engine over the built-in families, in Markdown.
# Usage: validation/accuracy.sh [PATH_TO_FLUIDSIM [FAMILIES [LOADS]]]. All of it takes about a minute on 2 cores.
set -euo pipefail
fluidsim=${1:-fluidsim}
families=${2:-chat-70b-4xa100 decode-heavy prefill-heavy memory-reserve memory-greedy memory-swap sequence-capped token-capped
outputs-geometric outputs-uniform outputs-lognormal}
loads=${3:-0.3 0.5 0.75 0.9}

# Prints "gap ± half-width" in per cent of the simulated value, for the quantities asked for.
gaps() {
  awk -F, -v wanted="$1" '
    NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
    { gap[$column["quantity"]] = $column["relative_gap"]
      value[$column["quantity"]] = $column["simulated"]
      half[$column["quantity"]] = ($column["ci_high"] - $column["ci_low"]) / 2 }
    END {
      n = split(wanted, names, " ")
      for (i = 1; i <= n; i++) {
        name = names[i]
        printf " %+.1f ± %.1f |", 100 * gap[name], value[name] == 0 ? 0 : 100 * half[name] / value[name]
      }
    }'
}

echo "| family | λ/λ* | λ* | TTFT | TBT | E2E | p95 TTFT | p95 E2E |"
echo "|---|---|---|---|---|---|---|---|"
for family in $families; do
  boundary=$("$fluidsim" solve "$family" --format csv | awk -F, '$1 == "lambda_star_per_s.low" { print $2 }')
  for load in $loads; do
    lambda=$(awk -v l="$load" -v b="$boundary" 'BEGIN { printf "%.9g", l * b }')
    # Exit code 1 says that a promised quantity misses; the table shows which.
    table=$("$fluidsim" compare "$family" --lambda "$lambda" --format csv) || [ $? -eq 1 ]
    printf "| %s | %s |%s\n" "$family" "$load" \
      "$(printf '%s\n' "$table" | gaps "lambda_star_per_s ttft_s.mean tbt_s.mean e2e_s.mean ttft_s.p95 e2e_s.p95")"
  done
done
