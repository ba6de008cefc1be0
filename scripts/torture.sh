#!/usr/bin/env bash
# The long forms of the reliability tests (docs/reliability.md).
#
#   scripts/torture.sh [--minutes N] [--seed S] [--only NAME]...
#
# Installs what is missing and builds the release and fuzz presets (which does
# not count towards the minutes), then shares the minutes (30 unless told) between
# the files of tests/torture. Prints a table of what was tried and found, the
# seed, and how to repeat; exits nonzero when anything was found. Logs are in
# build/torture/.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

"$QSTORE_ROOT/scripts/setup-debian.sh" torture
say "release build"
build release
say "fuzz build"
build fuzz fuzz_targets
exec "$PYTHON" "$QSTORE_ROOT/scripts/lib/torture.py" \
  --bin-dir "$(build_directory release)/bin" "$@"
