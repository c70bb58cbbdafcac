#!/usr/bin/env bash
# Tells Spark which GPUs this worker has: {"name": "gpu", "addresses": ["0", "1"]}. Names no GPU where there is none.
set -euo pipefail

addresses=$(nvidia-smi --query-gpu=index --format=csv,noheader 2>/dev/null | sed 's/[^0-9]//g; s/.*/"&"/' | paste -sd, -) ||
    addresses=''
printf '{"name": "gpu", "addresses": [%s]}\n' "$addresses"
