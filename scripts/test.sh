#!/usr/bin/env bash
# Builds and runs every test.
#
#   scripts/test.sh            everything; what CI calls
#   scripts/test.sh --quick    formats, the release build and its tests
#
# Installs what is missing (Debian 12 and 13; style is checked on 12). Cheap checks come first; a failed stage
# does not stop the others, unless they need what it builds. Prints the time of
# each stage and closes with "N passed, N failed"; logs are in build/test/.
# docs/testing.md says what each stage is for.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

quick=0
case "${1:-}" in
  '') ;;
  --quick) quick=1 ;;
  *) die "usage: $0 [--quick]" ;;
esac

jobs=$(nproc)
logs=$QSTORE_ROOT/build/test
rm -rf "$logs"
mkdir -p "$logs"
passed=0
failed=0
declare -A broken
table=()

export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:check_initialization_order=1
export LSAN_OPTIONS=print_suppressions=0:suppressions=$QSTORE_ROOT/tests/lsan_suppressions.txt
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

# stage NAME FUNCTION [ARGUMENT...]: runs, times and counts one stage by the
# function's status (`set -e` has no effect inside). A function that counts tests
# itself prints "PASSED FAILED" into $counts.
stage() {
  local name=$1 log begin=$SECONDS status=0 counts
  shift
  log=$logs/${name// /-}.log
  counts=$log.counts
  say "$name"
  ("$@") >"$log" 2>&1 || status=$?
  local stage_passed=1 stage_failed=0
  [ $status -eq 0 ] || { stage_passed=0 stage_failed=1; }
  [ ! -s "$counts" ] || read -r stage_passed stage_failed <"$counts"
  if [ $status -ne 0 ]; then
    [ "$stage_failed" -gt 0 ] || stage_failed=1
    broken[$name]=1
    printf -- '---- %s failed; the end of %s:\n' "$name" "${log#"$QSTORE_ROOT/"}"
    tail -n 80 "$log"
  fi
  passed=$((passed + stage_passed))
  failed=$((failed + stage_failed))
  table+=("$(printf '%-28s %5d s %7d passed %5d failed' \
    "$name" $((SECONDS - begin)) "$stage_passed" "$stage_failed")")
}

# after STAGE NAME FUNCTION...: the same, failing at once when STAGE failed.
after() {
  local needed=$1
  shift
  if [ -n "${broken[$needed]:-}" ]; then
    stage "$1" die "not run: $needed failed"
  else
    stage "$@"
  fi
}

check_scripts() {
  local file status=0
  while IFS= read -r file; do
    bash -n "$file" || status=1
  done < <(sources '*.sh' .ci/run)
  while IFS= read -r file; do
    "$PYTHON" -c 'import sys; compile(open(sys.argv[1]).read(), sys.argv[1], "exec")' \
      "$file" || status=1
  done < <(sources '*.py')
  while IFS= read -r file; do
    "$PYTHON" -c 'import sys, yaml; list(yaml.safe_load_all(open(sys.argv[1])))' \
      "$file" || status=1
  done < <(sources '*.yaml' '*.yml')
  return $status
}

check_format() {
  sources '*.cc' '*.h' | (cd "$QSTORE_ROOT" && xargs -n 20 -P "$jobs" \
    clang-format-14 --dry-run -Werror --style=file)
}

# Every source of ours, a target's in one translation unit (preset tidy): parsing
# the same headers for each one by itself took three times as long. Left to
# editors is the check that takes more than half of the time of all. Tests are
# spared clang's analysis of locks, since they share plain variables and join the
# threads.
check_tidy() {
  cd "$QSTORE_ROOT" || return 1
  build tidy || return 1
  tidy_sources ours |
    run_tidy 'clang-diagnostic-thread-safety*' --extra-arg=-Wthread-safety || return 1
  tidy_sources tests | run_tidy ''
}

# tidy_sources ours|tests: the units of the tidy build, product or tests; those
# of the most sources first, so that both cores are busy to the end.
tidy_sources() {
  "$PYTHON" - build/tidy/compile_commands.json "$1" <<'LIST'
import json, sys
units = [entry["file"] for entry in json.load(open(sys.argv[1]))]
units = [unit for unit in units if "/proto/" not in unit
         and ("/tests/" in unit) == (sys.argv[2] == "tests")]
units.sort(key=lambda unit: open(unit).read().count(".cc\""), reverse=True)
print("\n".join(units))
LIST
}

# run_tidy CHECKS [ARGUMENT...]: adds to the checks of .clang-tidy, all errors.
run_tidy() {
  local checks=-bugprone-suspicious-include,-performance-unnecessary-value-param,$1
  shift
  xargs -n 1 -P "$jobs" timeout 600 clang-tidy-14 -p build/tidy --quiet \
    --checks="$checks" --extra-arg=-Wno-unknown-warning-option "$@"
}

# run_ctest NAME PRESET [CTEST_ARGUMENT...]
run_ctest() {
  local name=$1 preset=$2 counts_dir junit status=0
  shift 2
  counts_dir=$logs/$name
  junit=$logs/$name.junit.xml
  mkdir -p "$counts_dir"
  (
    cd "$QSTORE_ROOT"
    GTEST_OUTPUT="xml:$counts_dir/" QSTORE_TEST_COUNTS=$counts_dir \
      ctest --preset "$preset" -j "$jobs" --no-tests=error --output-junit "$junit" "$@"
  ) || status=$?
  "$PYTHON" "$QSTORE_ROOT/scripts/lib/count_tests.py" "$junit" "$counts_dir" >"$counts" || status=1
  return $status
}

stage "set-up" "$QSTORE_ROOT/scripts/setup-debian.sh" test
stage "scripts" check_scripts
# The style checks are those of one version of clang: Debian 12's.
style=0
[ "$(debian_release)" != 12 ] || style=1
[ $style -eq 0 ] || stage "clang-format" check_format
stage "release build" build release
after "release build" "release tests" run_ctest release release -LE e2e
after "release build" "release end-to-end" run_ctest release-e2e release -L e2e -j $((3 * jobs))
if [ $quick -eq 0 ]; then
  [ $style -eq 0 ] || stage "clang-tidy" check_tidy
  stage "aarch64 objects" "$QSTORE_ROOT/scripts/check-aarch64.sh"
  stage "asan-ubsan build" build asan-ubsan
  after "asan-ubsan build" "asan-ubsan tests" run_ctest asan-ubsan asan-ubsan -LE e2e
  after "asan-ubsan build" "asan-ubsan end-to-end" run_ctest asan-e2e asan-ubsan -L e2e -j $((3 * jobs))
  stage "tsan build" build tsan
  after "tsan build" "tsan tests" run_ctest tsan tsan
fi

engines=${QSTORE_ENGINES_DIR:-$QSTORE_ROOT/.cache/engines}
left_out=""
[ $style -eq 1 ] || left_out+="clang-format and clang-tidy (they are those of Debian 12), "
if [ "$(image_base)" = "debian:$(debian_codename)-slim" ]; then
  after "release build" "packages of the image" "$QSTORE_ROOT/scripts/check-image.sh"
else
  left_out+="scripts/check-image.sh (only on $(image_base)), "
fi
left_out+="scripts/torture.sh, scripts/measure-memory.sh, scripts/bench-codec.sh, scripts/bench-serve.sh, scripts/check-format.sh"
installed() {
  cmp -s "$QSTORE_ROOT/scripts/engines/requirements/$1.txt" "$engines/$1/installed.txt"
}
if [ $quick -eq 0 ] && installed base && installed transformers5 && installed transformers4; then
  after "release build" "engines, short form" "$QSTORE_ROOT/scripts/test-engines.sh" \
    --short --bin-dir "$(build_directory release)/bin"
else
  left_out+=", scripts/test-engines.sh (its environments are not installed; it installs them)"
fi

echo
printf '%s\n' "${table[@]}"
printf 'not run: %s\n' "$left_out"
printf '%-28s %5d s\n\n' total $SECONDS
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
