# Python environments of the engines; sourced, not run.
# shellcheck shell=bash
#
# torch is large, so it is installed once, in "base"; the others see it through a
# .pth file, after their own packages. An environment whose list of packages has
# changed is made anew.

engines_directory=${QSTORE_ENGINES_DIR:-$QSTORE_ROOT/.cache/engines}
requirements_directory=$QSTORE_ROOT/scripts/engines/requirements

site_packages() { "$1/bin/python" -c 'import site; print(site.getsitepackages()[0])'; }

# environment NAME: installs it when it is missing or has another list.
environment() {
  local name=$1
  local directory=$engines_directory/$name list=$requirements_directory/$name.txt
  cmp -s "$list" "$directory/installed.txt" && return
  [ "$name" = base ] || environment base
  say "installing $name from PyPI"
  rm -rf "$directory"
  mkdir -p "$engines_directory"
  "$PYTHON" -m venv "$directory"
  [ "$name" = base ] ||
    site_packages "$engines_directory/base" >"$(site_packages "$directory")/zbase.pth"
  "$directory/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir --no-deps \
    -r "$list" || die "pip could not install $list: see above"
  cp "$list" "$directory/installed.txt"
}
