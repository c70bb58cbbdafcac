# What cuda-libtorch and gpu share: a libtorch in place of the jar's, runs of the shipped sample on it, and the table of
# what was tried. Sourced, with $root and $work set.

step() {
    printf '\n=== %s (after %d s)\n' "$*" "$SECONDS"
}

missing() {
    printf '%s\n' "$@" >&2
    exit 77
}

# use_libtorch FOLDER: for JVMs that are started from here, and in the array on_libtorch for executors.
use_libtorch() {
    export PYTORCH_LIBRARY_PATH=$1 PYTORCH_FLAVOR=cpu PYTORCH_VERSION
    PYTORCH_VERSION=$(sed -n 's:.*<libtorch.version>\(.*\)</libtorch.version>.*:\1:p' "$root/pom.xml")
    on_libtorch=()
    local key
    for key in PYTORCH_LIBRARY_PATH PYTORCH_FLAVOR PYTORCH_VERSION; do
        on_libtorch+=(--conf "spark.executorEnv.$key=${!key}")
    done
}

rows=()
failed=0
# try WHAT LOG COMMAND …: one row of the table; what the command prints is in LOG, and on the terminal where it fails.
# A file LOG.note, if the command writes one, says what was found.
try() {
    local what=$1 log=$2 from=$SECONDS verdict=passed note=''
    shift 2
    step "$what"
    # In a shell of its own, so that errexit holds inside functions too.
    set +e
    (
        set -e
        "$@"
    ) >"$log" 2>&1
    local status=$?
    set -e
    ((status == 77)) && verdict=skipped
    if ((status != 0 && status != 77)); then
        verdict=FAILED
        failed=1
        tail -n "${TRY_LINES:-40}" "$log" >&2
    fi
    [[ -s $log.note ]] && note=$(tr '\n' ' ' <"$log.note")
    rows+=("$verdict"$'\x1f'"$((SECONDS - from)) s"$'\x1f'"$what"$'\x1f'"$note")
    printf '%s in %d s. %s\n' "$verdict" "$((SECONDS - from))" "$note"
}

# Prints all rows; its status is that of the whole.
table() {
    local row verdict seconds what note
    printf '\n%-8s %6s  %s\n' result time 'what, and what was found'
    for row in "${rows[@]}"; do
        IFS=$'\x1f' read -r verdict seconds what note <<<"$row"
        printf '%-8s %6s  %s\n' "$verdict" "$seconds" "$what${note:+: $note}"
    done
    ((failed == 0)) || echo 'Not all of it passed; what failed has its last lines above.'
    return "$failed"
}

same_adapter() {
    cmp "$1/adapter/adapter_model.safetensors" "$2/adapter/adapter_model.safetensors"
    sha256sum "$1/adapter/adapter_model.safetensors" | cut -c1-16 | sed 's/^/equal byte for byte, sha256 /' >"$3"
}

# What surefire or the console launcher wrote of its tests: so many ran, so many were skipped.
count_tests() {
    python3 - "$@" <<'PY'
import glob, sys
import xml.etree.ElementTree as xml
ran = skipped = failed = 0
for file in glob.glob(sys.argv[1] + "/TEST-*.xml"):
    suite = xml.parse(file).getroot()
    ran += int(suite.get("tests"))
    skipped += int(suite.get("skipped"))
    failed += int(suite.get("failures")) + int(suite.get("errors"))
with open(sys.argv[2], "w") as note:
    print(f"{ran - skipped} tests ran, {failed} failed, {skipped} skipped", file=note)
sys.exit(failed > 0 or ran == skipped)
PY
}
