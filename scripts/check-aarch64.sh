#!/usr/bin/env bash
# Compiles base and codec for aarch64, to objects: shows that nothing in them
# needs x86.
#
# Debian's headers of what they use (absl, Highway, zstd, xxhash, OpenSSL,
# nlohmann-json) are the same for every architecture, but for the few that lie
# in a directory named after it: those of this machine stand in.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

compiler=${QSTORE_AARCH64_CXX:-aarch64-linux-gnu-g++}
command -v "$compiler" >/dev/null ||
  die "there is no $compiler: scripts/setup-debian.sh test"

out=$(build_directory aarch64)
rm -rf "$out"
# Only these of the machine's own headers: its C library's would hide the
# cross compiler's.
mkdir -p "$out/include" "$out/objects"
for name in absl hwy nlohmann openssl zstd.h zdict.h zstd_errors.h xxhash.h xxh3.h; do
  [ ! -e "/usr/include/$name" ] || ln -s "/usr/include/$name" "$out/include/$name"
done
multiarch=/usr/include/$(gcc -print-multiarch)
mkdir "$out/arch-include"
ln -s "$multiarch/openssl" "$out/arch-include/openssl"

cd "$QSTORE_ROOT"
sources 'base/*.cc' 'codec/*.cc' >"$out/sources"
[ -s "$out/sources" ] || die "no sources found"

# Several sources are compiled as one, as in the unity builds: that takes a third of the
# time. What those leave alone stays alone here: sources that Highway includes once for
# each of its targets, and the two kinds of failpoints.
alone='(_simd|failpoints?)\.cc$'
mkdir "$out/units"
grep -E "$alone" "$out/sources" | awk -v out="$out/units/" \
  '{ print "#include \"" $0 "\"" >(out "alone_" NR ".cc") }'
grep -vE "$alone" "$out/sources" | awk -v out="$out/units/" \
  '{ print "#include \"" $0 "\"" >(out "unit_" int((NR - 1) / 16) ".cc") }'

compile() {
  local unit=$1
  ${CCACHE:+"$CCACHE"} "$COMPILER" -std=c++20 -O1 -Wall -Wextra -Werror -Wno-psabi -ffp-contract=off \
    -DHWY_WANT_AVX3_DL -I. -isystem "$OUT/include" -isystem "$OUT/arch-include" \
    -c "$unit" -o "$OUT/objects/$(basename "$unit" .cc).o"
}
export -f compile
CCACHE=$(command -v ccache || true) COMPILER=$compiler OUT=$out \
  xargs -n 1 -P "$(nproc)" bash -c 'compile "$1"' _ < <(printf '%s\n' "$out"/units/*.cc) ||
  die "base and codec do not compile for aarch64"
say "$(wc -l <"$out/sources") sources compile for aarch64"
