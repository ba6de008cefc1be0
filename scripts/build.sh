#!/usr/bin/env bash
# Configures and builds one CMake preset.
#
#   scripts/build.sh [PRESET [TARGET...]]      default: release, everything
#
# Installs the Debian packages that are missing first. The log goes to
# build/PRESET.log; binaries to build/PRESET/bin/.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
"$QSTORE_ROOT/scripts/setup-debian.sh" build
build "${1:-release}" "${@:2}"
say "built $(build_directory "${1:-release}")/bin"
