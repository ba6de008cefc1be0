#!/usr/bin/env bash
# The long forms of the reliability tests (docs/reliability.md).
#
#   scripts/torture.sh [--minutes N] [--seed S] [--only NAME]...
#
# Installs what is missing, builds the release preset and, where clang 14 is
# there, the fuzz preset (neither counts towards the minutes), then shares the
# minutes (30 unless told) between the files of tests/torture. Prints a table of
# what was tried and found, the seed, and how to repeat; exits nonzero when
# anything was found. Logs are in build/torture/.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

"$QSTORE_ROOT/scripts/setup-debian.sh" test
say "release build"
build release
if command -v clang++-14 >/dev/null; then
  say "fuzz build"
  build fuzz fuzz_targets
fi
exec "$PYTHON" "$QSTORE_ROOT/scripts/lib/torture.py" \
  --bin-dir "$(build_directory release)/bin" "$@"
