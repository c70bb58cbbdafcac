# bench prepare. Sourced by bench.

usage() {
    cat <<TXT
Usage: jobs/bin/bench prepare [--rows FILE.jsonl] [--count N] [--master local[2]] [--memory 2g]
                              [--peer-python PYTHON --peer SCRIPT.py]

Times prepare from the start of its JVM to the end: shuffle, convert (sql-create-context), split 80/20, write Parquet
and JSON lines. Prints one JSON line.
  --rows FILE      rows of question, context and answer (default: the shipped sample's)
  --count N        multiplies the rows to N, each question with a number, so that no two are equal (default: as they are)
  --master MASTER  Spark's (default: local[2])
  --memory SIZE    heap of the one JVM (default: 2g)
  --peer SCRIPT    what is timed beside it, run as PYTHON SCRIPT FILE.jsonl; prints a JSON line with "seconds"
"ratio" is our seconds over the peer's process; "ratio_to_own_figure" over what the peer prints of itself.
TXT
}

rows=$root/jobs/sample/rows.jsonl count='' master='local[2]' memory=2g python=python3 peer=''
while (($#)); do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --rows | --count | --master | --memory | --peer-python | --peer)
            [[ -n ${2:-} ]] || fail "$1 needs a value"
            case $1 in
                --rows) rows=$2 ;;
                --count) count=$2 ;;
                --master) master=$2 ;;
                --memory) memory=$2 ;;
                --peer-python) python=$2 ;;
                --peer) peer=$2 ;;
            esac
            shift 2
            ;;
        *) usage >&2; fail "" "Unknown argument: $1" ;;
    esac
done
[[ -r $rows ]] || fail "--rows: $rows cannot be read."
[[ -z $count || $count =~ ^[1-9][0-9]*$ ]] || fail "--count: '$count'; allowed is a whole number of at least 1."

make_work
make_jar
rows=$(realpath "$rows")
if [[ -n $count ]]; then
    echo "Making $count rows …" >&2
    awk -v count="$count" '
        { line[NR] = $0 }
        END {
            for (i = 0; i < count; i++) {
                row = line[i % NR + 1]
                at = index(row, "\"question\":") + 11
                at += index(substr(row, at), "\"")
                print substr(row, 1, at - 1) "#" i " " substr(row, at)
            }
        }
    ' "$rows" >"$work/rows.jsonl"
    rows=$work/rows.jsonl
fi
# What Maven and Spark have to fetch once is no part of the time.
"$here/spark-submit" --version >/dev/null 2>&1 || true

measure "$work/ours.out" "$here/spark-submit" --properties-file "$root/conf/spark/local.conf" \
    --master "$master" --driver-memory "$memory" "$jar" \
    prepare --dataset sql-create-context --input "file:$rows" --output "file:$work/out" --test_size 0.2
report=$work/out/report.json
line=$(printf '{"bench": "prepare", "rows_in": %s, "train": %s, "test": %s, "input_mib": %s, "seconds": %s, "peak_rss_mib": %s, "master": "%s", "machine": "%s"' \
    "$(number_of in "$report")" "$(wc -l <"$work/out/train_dataset.json")" "$(wc -l <"$work/out/test_dataset.json")" \
    "$(($(stat -c %s "$rows") >> 20))" "$measured_s" "$measured_rss_mib" "$master" "$(machine)")
if [[ -n $peer ]]; then
    line+=$(peer_part "$measured_s" seconds "$python" "$peer" "$rows")
fi
printf '%s}\n' "$line"
