#!/usr/bin/env bash
# Compares the packages that the image installs with those that the programs link.
#
#   scripts/check-image.sh [BIN_DIR]      default: build/release/bin
#
# Packages are named after the Debian release, so this runs on the image's own
# (Dockerfile, FROM): BIN_DIR holds programs that were built there.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

bin_dir=${1:-$(build_directory release)/bin}
[ "$(image_base)" = "debian:$(debian_codename)-slim" ] || die "the image is $(image_base): run this there"

# owner FILE: the package that installed it. Directories may be links (/lib), and
# what dpkg knows is one of the two names.
owner() {
  { dpkg-query -S "$1" || dpkg-query -S "$(realpath "$1")"; } 2>/dev/null | head -n 1 | cut -d: -f1
}

linked() {
  local program library file
  for program in qstored qstore-client; do
    objdump -p "$bin_dir/$program" | awk '$1 == "NEEDED" { print $2 }'
  done | LC_ALL=C sort -u | while IFS= read -r library; do
    file=$(ldconfig -p | awk -v name="$library" '$1 == name { print $NF; exit }')
    owner "${file:-$library}" | grep . || die "no package owns $library"
  done
}

# libc6 is in every image; ca-certificates has no library.
linked | grep -vx libc6 | LC_ALL=C sort -u >"$(build_directory image-linked)"
awk '/^FROM/ { text = "" } { text = text " " $0 } END { print text }' "$QSTORE_ROOT/Dockerfile" |
  grep -o 'no-install-recommends[^&]*' | tr -s ' \\' '\n\n' |
  grep -vxE '(no-install-recommends|ca-certificates|)' | LC_ALL=C sort -u >"$(build_directory image-installed)"
diff "$(build_directory image-linked)" "$(build_directory image-installed)" ||
  die "< is linked and not in the Dockerfile, > is in the Dockerfile and not linked"
say "the image installs the $(wc -l <"$(build_directory image-linked)") packages that the programs link"
