# The shipped trainer on random tokens, through the real barrier stage and exchange; prints one JSON line. Sourced by
# bench. --ranks executors share the machine's cores; BENCH_EXECUTOR_MIB is the heap of each (768).
started=$(date +%s%3N)

# --ranks of the words that follow, 1 without.
ranks_of() {
    local ranks=1
    while (($#)); do
        case $1 in
            --ranks) ranks=${2:-1} ;;
            --ranks=*) ranks=${1#*=} ;;
        esac
        shift
    done
    [[ $ranks =~ ^[1-9][0-9]*$ ]] || fail "--ranks is $ranks; allowed is a whole number from 1 on."
    printf '%s\n' "$ranks"
}

make_jar
ranks=$(ranks_of "$@")
cores=$(($(nproc) / ranks))
((cores > 0)) || cores=1
heap=${BENCH_EXECUTOR_MIB:-768}
export BENCH_STARTED_MILLIS=$started
exec "$here/spark-submit" --master "local-cluster[$ranks,$cores,$heap]" --driver-memory 512m \
    --conf spark.executor.memory="${heap}m" --conf spark.executor.cores="$cores" \
    --conf spark.cores.max=$((ranks * cores)) --conf spark.ui.enabled=false \
    --conf spark.ui.showConsoleProgress=false "$jar" bench-train "$@"
