#!/bin/sh
# Everything that needs a GPU, in at most 8 minutes: make gpu
#
# The tests of tests/cuda on the device, two checkers, the benchmarks. Installs nothing and asks no
# network: it takes python3 (or $PYTHON) with CuPy, NumPy, SciPy, matplotlib, pytest, hypothesis,
# and torch where it is there. Results (JSON, PNG, gpu.log) go to $OUT, or benchmarks/results.
# A stage that fails stops none of the others; the exit code is 1 if any did.

cd "$(dirname "$0")/.." || exit 1
PYTHON=${PYTHON:-python3}
OUT=${OUT:-benchmarks/results}
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONDONTWRITEBYTECODE=1
LOG=$OUT/gpu.log

if ! "$PYTHON" -c "from tinygen import device; device.cupy()" 2>/dev/null; then
    "$PYTHON" benchmarks/small.py # says in one line what is missing
    exit $?
fi

mkdir -p "$OUT"
begin=$(date +%s)
summary="" failed=0

# stage NAME END COMMAND…: runs it until END seconds after the start, so that a stage which is done
# early leaves its time to the next ones. The end of its output is shown, all of it goes to the log.
stage() {
    name=$1 left=$((begin + $2 - $(date +%s)))
    shift 2
    [ "$left" -ge 10 ] || left=10
    echo "== $name: $*" | tee -a "$LOG"
    from=$(date +%s)
    timeout -s INT -k 5 "$left" "$@" >"$LOG.part" 2>&1 # on INT pytest still tells what failed
    code=$?
    cat "$LOG.part" >>"$LOG"
    tail -n 40 "$LOG.part"
    rm -f "$LOG.part"
    case $code in
        0) result=pass ;;
        124 | 137) result="FAIL (out of time)" failed=1 ;;
        *) result="FAIL (exit $code)" failed=1 ;;
    esac
    took=$(($(date +%s) - from))
    summary="$summary$(printf '%-12s %5d s  %s' "$name" "$took" "$result")
"
}

checked() { # NAME END TOOL OPTIONS…: the small training under a tool of compute-sanitizer
    name=$1 end=$2 tool=$3
    shift 3
    if command -v compute-sanitizer >/dev/null; then
        stage "$name" "$end" compute-sanitizer --tool "$tool" --error-exitcode 9 "$@" \
            "$PYTHON" benchmarks/small.py
    else
        summary="$summary$(printf '%-12s     - s  %s' "$name" "not run: no compute-sanitizer")
"
    fi
}

{
    date
    nvidia-smi
    "$PYTHON" -V
} >"$LOG" 2>&1

stage kernels 40 "$PYTHON" benchmarks/small.py --kernels
# test_nvrtc.py compiles all for three architectures, a minute that tells nothing of this GPU.
stage tests 190 "$PYTHON" -m pytest tests/cuda -m "not slow" --ignore=tests/cuda/test_nvrtc.py \
    -p no:cacheprovider --tb=short
checked memcheck 230 memcheck --report-api-errors no
checked racecheck 265 racecheck
stage ops 325 "$PYTHON" benchmarks/ops.py --device cuda --json "$OUT/ops_cuda.json"
stage train_step 395 "$PYTHON" benchmarks/train_step.py --device cuda --peers torch \
    --batch 64,1024 --rounds 3 --seconds 0.2 --json "$OUT/train_step_cuda.json"
stage backends 475 "$PYTHON" benchmarks/backends.py --rounds 3 --longest 2 --json "$OUT/backends.json"

printf '\n%s' "$summary" | tee -a "$LOG"
exit $failed
