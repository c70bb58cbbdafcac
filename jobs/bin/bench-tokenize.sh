# bench tokenize. Sourced by bench.

usage() {
    cat <<TXT
Usage: jobs/bin/bench tokenize [--tokenizer FOLDER] [--conversations FILE.jsonl] [--length 3072] [--template llama3]
                               [--master local[2]] [--memory 3g] [--peer-python PYTHON --peer SCRIPT.py]

Times tokenize from the start of its JVM to the end: chat template, ids, loss mask, best-fit packing, Parquet. Prints one
JSON line with what became of every conversation.
  --tokenizer FOLDER     with tokenizer.json (default: the shipped sample's)
  --conversations FILE   {"messages": [{role, content} …]} a line (default: the shipped sample's rows, prepared first)
  --peer SCRIPT          what is timed beside it, run as PYTHON SCRIPT FOLDER FILE.jsonl --length N; prints a JSON line
                         with "total_s"
"ratio" is our seconds over the peer's process; "ratio_to_own_figure" over what the peer prints of itself.
TXT
}

tokenizer=$root/jobs/sample/model conversations='' length=3072 template=llama3
master='local[2]' memory=3g python=python3 peer=''
while (($#)); do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --tokenizer | --conversations | --length | --template | --master | --memory | --peer-python | --peer)
            [[ -n ${2:-} ]] || fail "$1 needs a value"
            case $1 in
                --tokenizer) tokenizer=$2 ;;
                --conversations) conversations=$2 ;;
                --length) length=$2 ;;
                --template) template=$2 ;;
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

make_work
make_jar
submit() {
    "$here/spark-submit" --properties-file "$root/conf/spark/local.conf" --master "$master" --driver-memory "$memory" \
        "$jar" "$@"
}
mkdir "$work/data"
if [[ -z $conversations ]]; then
    submit prepare --dataset sql-create-context --input "file:$root/jobs/sample/rows.jsonl" \
        --output "file:$work/prepared" --test_size 1 >&2
    conversations=$work/prepared/train_dataset.json
fi
[[ -r $conversations ]] || fail "--conversations: $conversations cannot be read."
conversations=$(realpath "$conversations")
ln -s "$conversations" "$work/data/train_dataset.json"
# What Maven and Spark have to fetch once is no part of the time.
"$here/spark-submit" --version >/dev/null 2>&1 || true

measure "$work/ours.out" submit tokenize --model_id "file:$(realpath "$tokenizer")" --dataset_path "file:$work/data" \
    --output_dir "file:$work/run" --max_seq_length "$length" --chat_template "$template" --packing true
line=$(printf '{"bench": "tokenize", "seconds": %s, "peak_rss_mib": %s, "master": "%s", "machine": "%s", "result": %s' \
    "$measured_s" "$measured_rss_mib" "$master" "$(machine)" "$(grep '^{' "$work/ours.out" | tail -n 1)")
if [[ -n $peer ]]; then
    line+=$(peer_part "$measured_s" total_s "$python" "$peer" "$(realpath "$tokenizer")" "$conversations" \
        --length "$length")
fi
printf '%s}\n' "$line"
