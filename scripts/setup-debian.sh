#!/usr/bin/env bash
# Installs the Debian packages that are missing, on Debian 12 and 13.
#
#   scripts/setup-debian.sh build     what `cmake --build` needs
#   scripts/setup-debian.sh demo      that, and what scripts/demo.sh needs
#   scripts/setup-debian.sh bench     that, and what scripts/bench-codec.sh needs
#   scripts/setup-debian.sh test      that, and what scripts/test.sh needs
#   scripts/setup-debian.sh torture   the same: what scripts/torture.sh and the fuzz preset need
#
# Calls apt-get only when something is missing, with sudo when not root.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

build_packages=(
  g++ cmake ninja-build ccache pkg-config
  libgrpc++-dev libgrpc-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
  libabsl-dev librocksdb-dev libzstd-dev libhwy-dev libxxhash-dev libssl-dev
  libspdlog-dev libcli11-dev nlohmann-json3-dev libjsoncpp-dev libjemalloc-dev
  libgtest-dev libgmock-dev
)
demo_packages=("${build_packages[@]}" python3 python3-numpy python3-venv python3-pip ca-certificates)
bench_packages=("${demo_packages[@]}" libbenchmark-dev liblz4-dev python3-dev)
test_packages=("${bench_packages[@]}" python3-grpcio python3-yaml python3-zstandard util-linux
  g++-aarch64-linux-gnu clang libclang-rt-dev)
# Formatting and clang-tidy's findings depend on the version: Debian 12 has this one.
if [ "$(debian_release)" = 12 ]; then
  test_packages+=(clang-format-14 clang-tidy-14)
fi

case "${1:-test}" in
  build) wanted=("${build_packages[@]}") ;;
  demo) wanted=("${demo_packages[@]}") ;;
  bench) wanted=("${bench_packages[@]}") ;;
  test) wanted=("${test_packages[@]}") ;;
  torture) wanted=("${test_packages[@]}") ;;
  *) die "usage: $0 [build|demo|bench|test|torture]" ;;
esac

command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
  die "this script knows Debian 12 and 13 only; elsewhere install: ${wanted[*]}"

missing=()
for package in "${wanted[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null || true)
  [[ $state == ii* ]] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null ||
    die "these Debian packages are missing and there is no sudo: ${missing[*]}"
  as_root=(sudo)
fi
say "installing ${#missing[@]} Debian packages"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "$@" >>"$log" 2>&1; }
if ! { apt update && apt install -y --no-install-recommends "${missing[@]}"; }; then
  tail -n 20 "$log" >&2
  die "apt-get could not install: ${missing[*]}"
fi
