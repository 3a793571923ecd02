#!/usr/bin/env bash
# Fills every table and runs every test that needs a GPU, in at most 15 minutes.
#
#     benchmarks/gpu.sh              what needs a GPU
#     benchmarks/gpu.sh --all-tests  and the whole test suite (some minutes more)
#     benchmarks/gpu.sh --dry-run    print the commands, run nothing
#
# Run it in the project's folder with its environment active (`make .venv/ready`, then
# `source .venv/bin/activate`), on a machine where nothing else uses the card. A step that fails or takes
# too long is said, and the others go on. docs/performance.json and the pages are what it leaves:
# look at the difference, and commit them.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2

dry= all=
for word in "$@"; do
    case "$word" in
        --dry-run) dry=1 ;;
        --all-tests) all=1 ;;
        *) echo "unknown option $word: expected --dry-run or --all-tests" >&2; exit 2 ;;
    esac
done

failed=()

# step NAME SECONDS COMMAND...: run a command for at most so long; say what failed
step() {
    local name=$1 limit=$2 status
    shift 2
    printf '\n== %s (at most %s s)\n+ %s\n' "$name" "$limit" "$*"
    [ -n "$dry" ] && return
    # SIGINT first, so that what was measured is kept and temporary folders are removed
    timeout --signal=INT --kill-after=20 "$limit" "$@"
    status=$?
    [ "$status" -eq 0 ] && return
    [ "$status" -eq 124 ] && name="$name (took more than $limit s)"
    echo "FAILED: $name, status $status" >&2
    failed+=("$name")
}

# torch reads it at the first product of a process, and tests with deterministic kernels come later
export CUBLAS_WORKSPACE_CONFIG=:4096:8

step "the driver" 10 nvidia-smi
step "torch finds a GPU, and nobody else uses it" 30 python benchmarks/card.py
step "tests that need a GPU" 220 python -m pytest -q -n 4 -m gpu
[ -n "$all" ] && step "all tests" 900 python -m pytest -q -n auto
step "training against the textbook loop" 360 \
    python benchmarks/training.py --device cuda --seconds 2 --rounds 3
step "FID by precision at equal steps, of runs in turn" 130 python benchmarks/precision.py
step "evaluation against clean-fid and prdc" 110 \
    python benchmarks/evaluation.py --section evaluation-gpu --repeats 1 --device cuda
step "the pages" 30 python -m ganlore docs
step "goals" 10 python benchmarks/goals.py

if [ "${#failed[@]}" -gt 0 ]; then
    printf '\n%s steps failed:\n' "${#failed[@]}" >&2
    printf '  %s\n' "${failed[@]}" >&2
    exit 1
fi
