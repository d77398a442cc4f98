#!/bin/sh
# All that a machine with a GPU has to show, in at most eight minutes: the tests marked gpu, the rows of gpu.py, a pass of
# compute-sanitizer, and a profile of the kernels by ncu, the last two where these tools are there.
#
#   benchmarks/gpu.sh DIR        # results go to DIR; what has been done is not done again, and nothing stops the rest
set -u
here=$(dirname "$0")
out=${1:?"a folder for the results"}
mkdir -p "$out"
export PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 XLA_PYTHON_CLIENT_PREALLOCATE=false

stage() { # NAME SECONDS COMMAND...: the output in NAME.txt, which is there only when the command ended in time
  name=$1 seconds=$2
  shift 2
  [ -e "$out/$name.txt" ] && return
  timeout "$seconds" "$@" > "$out/$name.partial" 2>&1
  code=$?
  echo "$name: exit code $code after $(tail -n 1 "$out/$name.partial" | cut -c 1-150)"
  [ $code -eq 124 ] || mv "$out/$name.partial" "$out/$name.txt"
}

stage tests 120 python3 -m pytest -m gpu -n 12 -q -rf --tb=short --durations=8 -p no:cacheprovider -p no:benchmark \
  "$here/../tests/backends"
stage gpu 160 python3 "$here/gpu.py" --json "$out/gpu.json"
command -v compute-sanitizer > /dev/null &&
  stage sanitizer 45 compute-sanitizer --tool memcheck --error-exitcode 9 python3 "$here/gpu_small.py"
command -v ncu > /dev/null &&
  stage profile 50 ncu --clock-control none --set basic -k 'regex:draw_|sweep_|scan_|product|fused' -c 12 \
    python3 "$here/gpu_small.py" --profile
exit 0
