#!/bin/sh
# All that a machine with a GPU has to show, in at most eight minutes: the tests marked gpu; dense work beside PyTorch and JAX, sparse work and
# an update that is bound by launches (gpu.py); a pass of compute-sanitizer, where it is there; and a profile of the slowest kernel, by
# ncu or nsys, where one of them is there and may count, else by events of CuPy.
#
#   pip install -e ".[cupy13,dev]" torch "jax[cuda13]"   # or cupy12 and jax[cuda12], as the driver has it; PyTorch and JAX as you like
#   benchmarks/gpu.sh DIR
#
# DIR/results.json has device, versions, rows and stages. What has been done is not done again, a row that is measured neither, so a run
# that was cut off goes on when it is called again; a stage whose .code is removed is done again. Nothing stops the rest; the exit
# code is 1 where something failed, 2 where there is no device.
set -u
here=$(dirname "$0")
root=$here/..
out=${1:?"a folder for the results"}
python=${PYTHON:-python3}
mkdir -p "$out" || exit 2
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 XLA_PYTHON_CLIENT_PREALLOCATE=false

obstacle=$("$python" -c 'from energydsl.backends.cupy.loader import obstacle; print(obstacle())') || exit 2
if [ -n "$obstacle" ]; then
  echo "$obstacle" >&2
  exit 2
fi

# stage NAME SECONDS COMMAND...: the output in NAME.txt; NAME.code, exit code and seconds, is there only when the command ended in time.
stage() {
  name=$1
  seconds=$2
  shift 2
  [ -e "$out/$name.code" ] && return
  began=$(date +%s)
  timeout "$seconds" "$@" > "$out/$name.txt" 2>&1
  code=$?
  took=$(($(date +%s) - began))
  echo "$name: exit code $code after $took s: $(tail -n 1 "$out/$name.txt" | cut -c 1-150)"
  [ "$code" -eq 124 ] || echo "$code $took" > "$out/$name.code"
}

# Whether a stage has been done, and well.
good() { [ -e "$out/$1.code" ] && [ "$(cut -d ' ' -f 1 "$out/$1.code")" -eq 0 ]; }

workers=
if "$python" -c 'import xdist' 2> /dev/null; then
  cores=$(nproc)
  workers="-n $((cores < 12 ? cores : 12))"
fi
# shellcheck disable=SC2086  # two words or none
stage tests 120 "$python" -m pytest -m gpu $workers -q -rf --tb=short --durations=8 -p no:cacheprovider "$root/tests/backends"
stage rows 180 "$python" "$here/gpu.py" --json "$out/rows.json"

sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2> /dev/null)
[ -n "$sanitizer" ] &&
  stage sanitizer 50 "$sanitizer" --tool memcheck --error-exitcode 9 "$python" "$here/gpu_small.py"

ncu=$(command -v ncu || ls /usr/local/cuda/bin/ncu 2> /dev/null)
if [ -n "$ncu" ]; then
  # First which kernel is the slowest, then what bounds it.
  stage ranking 25 "$ncu" --clock-control none --csv --metrics gpu__time_duration.sum "$python" "$here/gpu_small.py" --profile
  kernel=$("$python" "$here/gpu_results.py" --slowest "$out/ranking.txt")
  [ -n "$kernel" ] &&
    stage profile 35 "$ncu" --clock-control none --set full -k "$kernel" -c 1 "$python" "$here/gpu_small.py" --profile
fi
nsys=$(command -v nsys || ls /usr/local/cuda/bin/nsys 2> /dev/null)
good profile || { [ -n "$nsys" ] &&
  stage timeline 35 "$nsys" profile --stats=true --force-overwrite=true -o "$out/timeline" "$python" "$here/gpu_small.py" --profile; }
good profile || good timeline || stage events 20 "$python" "$here/gpu_small.py" --events

"$python" "$here/gpu_results.py" "$out"
