#!/usr/bin/env bash
# Tells Spark which GPUs this worker has: {"name": "gpu", "addresses": ["0", "1"]}, by the indices of nvidia-smi, without
# those that CUDA_VISIBLE_DEVICES hides. Names no GPU where there is none.
set -euo pipefail

# The variable names GPUs by index or by the beginning of a UUID.
is_visible() {
    [[ -z ${CUDA_VISIBLE_DEVICES+set} ]] && return
    local entry
    for entry in ${CUDA_VISIBLE_DEVICES//,/ }; do
        [[ $entry == "$1" || ($entry == GPU-* && $2 == "$entry"*) ]] && return
    done
    return 1
}

addresses=''
while IFS=', ' read -r index uuid; do
    if [[ $index =~ ^[0-9]+$ ]] && is_visible "$index" "$uuid"; then
        addresses+="${addresses:+, }\"$index\""
    fi
done < <(nvidia-smi --query-gpu=index,uuid --format=csv,noheader 2>/dev/null || true)
printf '{"name": "gpu", "addresses": [%s]}\n' "$addresses"
