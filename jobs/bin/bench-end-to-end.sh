# bench end-to-end. Sourced by bench.

usage() {
    cat <<TXT
Usage: jobs/bin/bench end-to-end [--rows FILE.jsonl] [--count 800] [--epochs 2] [--length 512] [--shape llama-135m]
                                 [--tokenizer FOLDER] [--ranks 1] [--peer-python PYTHON] [--peer-micro '1 4']

Times everything from raw rows to a QLoRA adapter: prepare and train from the start of their JVMs, on a model with random
weights; 4 rows of --length tokens a step, packed. Prints one JSON line with the seconds of each part.
  --rows FILE        rows of question, context and answer (default: the shipped sample's, as make-sample makes them)
  --count N          takes the first N of them
  --shape NAME       of the model, as make-model knows it
  --tokenizer FOLDER with tokenizer.json; its vocabulary has to fit the model's (default: the shipped sample's)
  --ranks N          executors, which share the cores and have 768 MiB of heap each
  --peer-python      a Python with the packages of jobs/src/test/python/requirements.txt: TRL and PEFT do the same beside
                     it, by trl_end_to_end.py there, in bfloat16, or in float32 on a processor that has no arithmetic
                     for that, as train does
  --peer-micro LIST  rows of its micro-batches; one run for each, of which the faster counts
"ratio" is our seconds over those of the peer's process.
TXT
}

rows=$root/jobs/sample/rows.jsonl count=800 epochs=2 length=512 shape=llama-135m tokenizer=$root/jobs/sample/model
ranks=1 python='' micros='1 4'
while (($#)); do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --rows | --count | --epochs | --length | --shape | --tokenizer | --ranks | --peer-python | --peer-micro)
            [[ -n ${2:-} ]] || fail "$1 needs a value"
            case $1 in
                --rows) rows=$2 ;;
                --count) count=$2 ;;
                --epochs) epochs=$2 ;;
                --length) length=$2 ;;
                --shape) shape=$2 ;;
                --tokenizer) tokenizer=$2 ;;
                --ranks) ranks=$2 ;;
                --peer-python) python=$2 ;;
                --peer-micro) micros=$2 ;;
            esac
            shift 2
            ;;
        *) usage >&2; fail "" "Unknown argument: $1" ;;
    esac
done
[[ -r $rows ]] || fail "--rows: $rows cannot be read."
[[ -r $tokenizer/tokenizer.json ]] || fail "--tokenizer: there is no tokenizer.json in $tokenizer."
[[ $ranks =~ ^[124]$ ]] || fail "--ranks: '$ranks'; allowed are 1, 2 and 4, which divide the 4 rows of a step."
for number in "--count $count" "--epochs $epochs" "--length $length"; do
    [[ $number =~ \ [1-9][0-9]*$ ]] || fail "$number; allowed is a whole number of at least 1."
done
[[ $micros =~ ^[124](\ [124])*$ ]] || fail "--peer-micro: '$micros'; allowed are 1, 2 and 4, with spaces between them."
requirements=jobs/src/test/python/requirements.txt
if [[ -n $python ]]; then
    # Before half an hour's work, not after it.
    missing=$("$python" -c 'import torch, transformers, peft, bitsandbytes, accelerate, datasets, trl' 2>&1) ||
        fail "--peer-python: $python does not have all packages of $requirements: $(tail -n 1 <<<"$missing")"
fi

make_work
make_jar
# What Maven and Spark have to fetch once is no part of the time.
"$here/spark-submit" --version >/dev/null 2>&1 || true

head -n "$count" "$rows" >"$work/rows.jsonl"
(($(wc -l <"$work/rows.jsonl") == count)) ||
    fail "--count: $count, but there are $(wc -l <"$work/rows.jsonl") rows in $rows. Name fewer, or another file by --rows."
random=${TMPDIR:-/tmp}/spark-finetune-bench/$shape
if [[ ! -e $random/config.json ]]; then
    "$here/spark-submit" --master 'local[1]' --driver-memory 1g "$jar" make-model --shape "$shape" --output "$random" >&2
fi
mkdir "$work/model"
ln -s "$random"/* "$(realpath "$tokenizer")"/tokenizer*.json "$work/model/"
template=$root/pipeline/src/main/resources/org/sparkfinetune/data/template/llama3.jinja

# The larger of the peaks of what was measured.
peak=0
timed() {
    measure "$@"
    ((measured_rss_mib <= peak)) || peak=$measured_rss_mib
}

timed "$work/prepare.out" "$here/spark-submit" --properties-file "$root/conf/spark/local.conf" --master "local[$(nproc)]" \
    "$jar" prepare --dataset sql-create-context --input "file:$work/rows.jsonl" --output "file:$work/data" --test_size 1
prepare_s=$measured_s
cores=$(($(nproc) / ranks))
((cores > 0)) || cores=1
timed "$work/train.out" "$here/spark-submit" --properties-file "$root/conf/spark/local.conf" \
    --master "local-cluster[$ranks,$cores,768]" --conf spark.executor.cores="$cores" \
    --conf spark.cores.max=$((ranks * cores)) "$jar" train --model_id "file:$work/model" \
    --dataset_path "file:$work/data" --output_dir "file:$work/run" --chat_template llama3 --method qlora --lora_r 16 \
    --lora_alpha 8 --lora_dropout 0.05 --max_seq_length "$length" --packing true --num_train_epochs "$epochs" \
    --num_ranks "$ranks" --per_device_train_batch_size $((4 / ranks)) --max_grad_norm 0.3 --eval_strategy 'no' \
    --save_strategy 'no' --report_to none
[[ -s $work/run/adapter/adapter_model.safetensors ]] || fail "train wrote no adapter."
summary=$work/run/summary.json
seconds=$(awk -v a="$prepare_s" -v b="$measured_s" 'BEGIN { printf "%.2f", a + b }')
line=$(printf '{"bench": "end-to-end", "rows": %s, "epochs": %s, "length": %s, "model": "%s", "ranks": %s, "seconds": %s, "prepare_s": %s, "train_s": %s, "peak_rss_mib": %s, "steps": %s, "tokens_per_second": %s, "seconds_by_phase": {%s}, "machine": "%s"' \
    "$count" "$epochs" "$length" "$shape" "$ranks" "$seconds" "$prepare_s" "$measured_s" "$peak" \
    "$(number_of steps "$summary")" "$(number_of tokens_per_second "$summary")" \
    "$(tr -d ' \n' <"$summary" | sed 's/.*"seconds_by_phase":{\([^}]*\)}.*/\1/')" "$(machine)")
if [[ -n $python ]]; then
    dtype=float32
    grep -qE 'avx512_bf16|amx_bf16' /proc/cpuinfo && dtype=bfloat16
    best=''
    for micro in $micros; do
        rm -rf "$work/peer"
        own=$(peer_part "$seconds" total_s "$python" "$root/jobs/src/test/python/trl_end_to_end.py" --model "$work/model" \
            --rows "$work/rows.jsonl" --template "$template" --epochs "$epochs" --length "$length" --micro "$micro" \
            --dtype "$dtype" --output "$work/peer")
        printf '%s\n' "$own" >"$work/peer.$micro"
        if [[ -z $best ]] || awk -v a="$(number_of peer_process_seconds "$work/peer.$micro")" \
            -v b="$(number_of peer_process_seconds "$work/peer.$best")" 'BEGIN { exit !(a < b) }'; then
            best=$micro
        fi
    done
    line+=$(<"$work/peer.$best")
fi
printf '%s}\n' "$line"
