# bench generate. Sourced by bench.

usage() {
    cat <<TXT
Usage: jobs/bin/bench generate --model_id MODEL [--batch 1] [--form NF4] [--prompt_tokens 32] [--max_new_tokens 64]
                               [--threads 2] [--repeats 5] [--adapter ADAPTER] [--bf16 true] [--peer-python PYTHON --peer SCRIPT.py]

Greedy decoding of random prompts in one process, the best of --repeats and each of them (the first ones also compile);
prints one JSON line.
  --form          AS_STORED, NF4 or NF4_FLOAT32: what the linears are kept as
  --bf16          false: activations in float32, also where a task of generate would have them in bfloat16
  --peer SCRIPT   what is timed after it, run as PYTHON SCRIPT with --model_id, --batch, --prompt_tokens,
                  --max_new_tokens, --threads and --repeats as they were given, and prints a JSON line with
                  "tokens_per_second"; pipeline/src/test/python/generate_peer.py is transformers with bitsandbytes
"times_the_peer" is our tokens_per_second over the peer's.
TXT
}

python=python3 peer='' ours=() theirs=()
while (($#)); do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --peer-python | --peer | --model_id | --batch | --prompt_tokens | --max_new_tokens | --threads | --repeats | \
            --form | --adapter | --bf16)
            [[ -n ${2:-} ]] || fail "$1 needs a value"
            case $1 in
                --peer-python) python=$2 ;;
                --peer) peer=$2 ;;
                --form | --adapter | --bf16) ours+=("$1" "$2") ;;
                *) ours+=("$1" "$2") theirs+=("$1" "$2") ;;
            esac
            shift 2
            ;;
        *) usage >&2; fail "" "Unknown argument: $1" ;;
    esac
done

require_java
make_spark_home
make_jar
make_work
# The collector that executors of few cores have.
"$JAVA" -XX:+UseSerialGC --add-modules=jdk.incubator.vector -cp "$jar:$spark_home/jars/*" \
    "-Dlog4j2.configurationFile=file:$root/conf/spark/log4j2.properties" \
    org.sparkfinetune.jobs.Main bench-generate "${ours[@]}" >"$work/ours.out"
line=$(tail -n 1 "$work/ours.out")
if [[ -n $peer ]]; then
    "$python" "$peer" "${theirs[@]}" | tail -n 1 >"$work/peer.out"
    line="${line%\}}, \"peer\": $(cat "$work/peer.out"), \"times_the_peer\": $(ratio \
        "$(number_of tokens_per_second "$work/ours.out")" "$(number_of tokens_per_second "$work/peer.out")")}"
fi
printf '%s\n' "$line"
