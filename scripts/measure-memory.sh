#!/usr/bin/env bash
# Prints the peak resident memory of qstored and qstore-client with a large model.
#
#   scripts/measure-memory.sh [GIGABYTES]       default: 4
#
# Uses the release build, a made-up BF16 model, and about four times its size in
# ${TMPDIR:-/tmp}. Fails when the daemon or a client exceeds 1 GiB.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

gigabytes=${1:-4}
[[ $gigabytes =~ ^[0-9]+$ ]] && [ "$gigabytes" -gt 0 ] || die "usage: $0 [GIGABYTES]"
"$QSTORE_ROOT/scripts/setup-debian.sh" demo
build release qstored qstore-client
exec "$PYTHON" "$QSTORE_ROOT/scripts/lib/measure_memory.py" \
  --bin-dir "$(build_directory release)/bin" --gigabytes "$gigabytes"
