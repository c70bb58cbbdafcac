# What the benchmarks share. Sourced by bench, with $here, $root and fail set. Prints nothing to stdout.

# Sets measured_s and measured_rss_mib (the largest process of it, at its largest); stdout goes to $1.
measure() {
    local out=$1 started child peak=0 status=0
    shift
    started=$(date +%s%N)
    "$@" >"$out" &
    child=$!
    while kill -0 "$child" 2>/dev/null; do
        peak=$(largest_rss "$child" "$peak")
        sleep 0.2
    done
    wait "$child" || status=$?
    measured_s=$(awk -v ns=$(($(date +%s%N) - started)) 'BEGIN { printf "%.2f", ns / 1e9 }')
    measured_rss_mib=$((peak / 1024))
    ((status == 0)) || fail "It failed with exit code $status: $*"
}

# The larger of $2 and the largest peak (KiB) of process $1 and all below it.
largest_rss() {
    local queue=("$1") peak=$2 pid kib
    while ((${#queue[@]})); do
        pid=${queue[0]}
        queue=("${queue[@]:1}")
        kib=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status" 2>/dev/null || true)
        ((${kib:-0} > peak)) && peak=$kib
        queue+=($(cat "/proc/$pid"/task/*/children 2>/dev/null || true))
    done
    printf '%s\n' "$peak"
}

ratio() {
    awk -v ours="$1" -v peer="$2" 'BEGIN { if (peer > 0) printf "%.3f", ours / peer; else printf "null" }'
}

# The number of key $1 in the JSON line in file $2.
number_of() {
    sed -n "s/.*\"$1\" *: *\([0-9.eE+-]*\).*/\1/p" "$2" | tail -n 1
}

# Runs the peer "$@" and prints ', "peer": …' with its own line, its process's seconds and the ratios to $1 (our
# seconds): to the process, and to what it prints of itself under the key $2, which leaves out its start.
peer_part() {
    local ours=$1 key=$2 own
    shift 2
    measure "$work/peer.out" "$@"
    tail -n 1 "$work/peer.out" >"$work/peer.json"
    own=$(number_of "$key" "$work/peer.json")
    printf ', "peer": %s, "peer_process_seconds": %s, "peer_peak_rss_mib": %s, "ratio": %s, "ratio_to_own_figure": %s' \
        "$(cat "$work/peer.json")" "$measured_s" "$measured_rss_mib" "$(ratio "$ours" "$measured_s")" \
        "$(ratio "$ours" "${own:-0}")"
}

machine() {
    printf '%s cores, %s GiB' "$(nproc)" "$(awk '/MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo)"
}

# Makes $work, which goes at the end.
make_work() {
    work=$(mktemp -d "${TMPDIR:-/tmp}/bench-XXXXXX")
    trap 'rm -rf "$work"' EXIT
}
