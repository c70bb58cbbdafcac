# bench results. Sourced by bench.

usage() {
    cat <<TXT
Usage: jobs/bin/bench results --peer-python PYTHON [--runs 3] [--steps 3] [--only REGEX] [--to FILE.md]

Trains on random tokens, 4 rows of 512 a step, once with bench train and once with PEFT and bitsandbytes, in turn,
--runs times each (about 50 minutes for all), and writes the table of medians to --to (jobs/docs/performance.md).
Peers are jobs/src/test/python/peft_qlora.py and peft_fsdp.py; their packages are in requirements.txt beside them.
  --peer-python PYTHON  one that has them
  --only REGEX          only works whose name matches
TXT
}

python='' runs=3 steps=3 only=. to=$root/jobs/docs/performance.md
while (($#)); do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --peer-python | --runs | --steps | --only | --to)
            [[ -n ${2:-} ]] || fail "$1 needs a value"
            case $1 in
                --peer-python) python=$2 ;;
                --runs) runs=$2 ;;
                --steps) steps=$2 ;;
                --only) only=$2 ;;
                --to) to=$2 ;;
            esac
            shift 2
            ;;
        *) usage >&2; fail "" "Unknown argument: $1" ;;
    esac
done
requirements=jobs/src/test/python/requirements.txt
[[ -n $python ]] || fail "--peer-python is missing: a Python that has the packages of $requirements." \
    "One is made by: python3 -m venv FOLDER && FOLDER/bin/pip install -r $requirements; then it is FOLDER/bin/python."
missing=$("$python" -c 'import torch, transformers, peft, bitsandbytes, accelerate' 2>&1) ||
    fail "--peer-python: $python does not have all packages of $requirements: $(tail -n 1 <<<"$missing")"
for count in "--runs $runs" "--steps $steps"; do
    [[ $count =~ \ [1-9][0-9]*$ ]] || fail "$count; allowed is a whole number of at least 1."
done
# Before an hour's work, not after it.
[[ -d $(dirname "$to") && -w $(dirname "$to") && ! -d $to ]] || fail "--to: $to cannot be written."

make_work
make_jar
peers=$root/jobs/src/test/python
models=${TMPDIR:-/tmp}/spark-finetune-bench

# ours NAME WORDS…: one line more in NAME.ours
ours() {
    local name=$1
    shift
    "$here/bench" train --seq 512 --steps "$steps" --profile "$@" 2>"$work/log" | tee -a "$work/$name.ours" >&2 ||
        { printf 'bench train %s failed:\n%s\n' "$*" "$(tail -n 20 "$work/log")" >&2; exit 1; }
}

# peer NAME KIND WORDS…: one line more in NAME.KIND, if it came so far; PyTorch may still fail while it takes leave
peer() {
    local name=$1 kind=$2
    shift 2
    if [[ $kind == fsdp ]]; then
        set -- env OMP_NUM_THREADS=1 "$python" -m torch.distributed.run --nproc_per_node 2 "$peers/peft_fsdp.py" "$@"
    else
        set -- "$python" "$peers/peft_qlora.py" --threads "$(nproc)" --rows "$kind" "$@"
    fi
    "$@" --steps "$steps" 2>"$work/log" | tail -n 1 | tee -a "$work/$name.$kind" >&2 ||
        printf 'The peer ended with an error:\n%s\n' "$(tail -n 5 "$work/log")" >&2
}

# median FILE KEY: of all lines' first number after the key
median() {
    sed -n "s/.*\"$2\": *\[*\([0-9.]*\).*/\1/p" "$1" | sort -g |
        awk '{ n[NR] = $1 } END {
            if (NR == 0) { print "-"; exit }
            m = NR % 2 ? n[(NR + 1) / 2] : (n[NR / 2] + n[NR / 2 + 1]) / 2
            printf(m < 30 ? "%.2f\n" : "%.0f\n", m)
        }'
}

# of NUMBER NUMBER: their ratio
of() {
    awk -v a="$1" -v b="$2" 'BEGIN { if (a > 0 && b > 0) printf "%.2f", a / b; else printf "-" }'
}

# What is measured: its name | words of ours | words of the peer ('-' for none) | its kind
works='QLoRA llama-135m|--model_id llama-135m --ranks 1 --micro 4||one
QLoRA slice-1b|--model_id slice-1b --ranks 1 --micro 4||one
QLoRA llama-135m, nothing computed again|--model_id llama-135m --ranks 1 --micro 4 --gradient_checkpointing false|--no-checkpointing|one
QLoRA slice-1b, nothing computed again|--model_id slice-1b --ranks 1 --micro 4 --gradient_checkpointing false|--no-checkpointing|one
LoRA llama-135m|--model_id llama-135m --ranks 1 --micro 4 --method lora|--method lora|one
QLoRA llama-135m, two ranks|--model_id llama-135m --ranks 2 --micro 4||fsdp
QLoRA slice-1b, two ranks|--model_id slice-1b --ranks 2 --micro 4||fsdp
QLoRA llama-135m, selective|--model_id llama-135m --ranks 1 --micro 4 --gradient_checkpointing selective|-|none
QLoRA slice-1b, selective|--model_id slice-1b --ranks 1 --micro 4 --gradient_checkpointing selective|-|none
QLoRA llama-135m, two ranks, 16 rows a step|--model_id llama-135m --ranks 2 --micro 16|-|none'
chosen=$(awk -F '|' -v name="$only" '$1 ~ name' <<<"$works")
[[ -n $chosen ]] || fail "--only $only: no work has such a name. They are:" "$(cut -d '|' -f 1 <<<"$works")"

for run in $(seq "$runs"); do
    while IFS='|' read -r name our_words their_words kind; do
        echo "Run $run: $name" >&2
        read -ra words <<<"$our_words"
        ours "$name" "${words[@]}" </dev/null
        read -ra their <<<"$their_words"
        their=(--model "$models/${words[1]}" "${their[@]}")
        case $kind in
            fsdp) peer "$name" fsdp "${their[@]}" </dev/null ;;
            one)
                # Afterwards only the better of micro-batches of one row and of four.
                for rows in 1 4; do
                    if ((run == 1)) || [[ $(<"$work/$name.better") == "$rows" ]]; then
                        peer "$name" "$rows" "${their[@]}" </dev/null
                    fi
                done
                if ((run == 1)); then
                    awk -v a="$(median "$work/$name.1" tokens_per_s)" -v b="$(median "$work/$name.4" tokens_per_s)" \
                        'BEGIN { print((a >= b) ? 1 : 4) }' >"$work/$name.better"
                fi
                ;;
        esac
    done <<<"$chosen"
done

processor=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
numbers=$(grep -o -w -E 'avx2|avx512f|avx512_bf16|amx_bf16' /proc/cpuinfo | sort -u | paste -sd ' ')
{
    cat <<TXT
# Training beside PEFT and bitsandbytes

Made by \`jobs/bin/bench results --peer-python PYTHON\`: random tokens, 4 rows of 512 a step, LoRA r 16 on all linears,
dropout 0.05, bf16, AdamW, clipping; two ranks are two executors with the exchange between them, beside FSDP with gloo.
Medians of $runs run(s) of $steps steps, ours and theirs in turn. The faster of the peer's one row and four in a
micro-batch decides its speed, one row its memory; it had no bitsandbytes kernels for CPUs, a package of their own.

$(machine), $processor ($numbers); $(date +%F); torch $("$python" -c 'import torch; print(torch.__version__)').

| work | tokens/s | peer's | ratio | peak MiB | peer's | ratio | first step s | peer's | share of products alone |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
TXT
    while IFS='|' read -r name _ _ kind; do
        case $kind in
            one) theirs=$work/$name.$(<"$work/$name.better") ;;
            *) theirs=$work/$name.$kind ;;
        esac
        [[ -e $theirs ]] || theirs=/dev/null
        speed=$(median "$work/$name.ours" tokens_per_second) memory=$(median "$work/$name.ours" peak_rss_mib)
        their_speed=$(median "$theirs" tokens_per_s)
        their_memory=$(median "${theirs/%.4/.1}" 'peak_rss_mib[a-z_]*')
        echo "| $name | $speed | $their_speed | $(of "$speed" "$their_speed") | $memory | $their_memory |" \
            "$(of "$memory" "$their_memory") | $(median "$work/$name.ours" first_step_s) |" \
            "$(median "$theirs" first_step_s) | $(median "$work/$name.ours" matmul_share) |"
    done <<<"$chosen"
    cat <<'TXT'

*Nothing computed again* is `gradient_checkpointing: false`; without a word it is `true`. *Share of products alone*:
operations of the products that are computed, in the time of the whole step, beside what this machine does in nothing
but products. First steps count from the command, Spark's start and loading included.

# From raw rows to an adapter

`jobs/bin/bench end-to-end --peer-python PYTHON` times all of it, starts included: `prepare` and `train` of 800 rows over
two epochs, QLoRA on the shape of llama-135m with random weights, 4 packed rows of 512 tokens a step. Beside it
`jobs/src/test/python/trl_end_to_end.py` does the same with datasets, TRL, PEFT and bitsandbytes, with one row in a
micro-batch and with four; the faster run counts. `--rows FILE.jsonl` takes rows of your own (`question`, `context`,
`answer`) in place of the shipped sample's, `--tokenizer FOLDER` another tokenizer, `--count`, `--epochs` and `--length`
another amount of work. It prints one JSON line: the seconds of each side by part, and the ratio of both processes' times.
TXT
} >"$work/page.md"
cp "$work/page.md" "$to"
echo "Wrote $to" >&2
