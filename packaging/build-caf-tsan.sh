#!/bin/sh
# Builds CAF's core with ThreadSanitizer from Debian's source package, as DIR/lib/libcaf_core.a: Debian's own library is
# not instrumented, and what actors hand each other through it would look like races.
#   usage: build-caf-tsan.sh DIR
# The source comes from the archives that apt has binary packages of, in the installed version. Nothing outside DIR changes.
set -eu
export LC_ALL=C

[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
fail() {
  echo "$0: $*" >&2
  exit 1
}
package=$(dpkg-query -W -f '${source:Package}' libcaf-dev) || fail "install libcaf-dev first"
version=$(dpkg-query -W -f '${source:Version}' libcaf-dev)
header=/usr/include/caf/detail/build_config.hpp
mkdir -p "$1"
dir=$(cd "$1" && pwd)
built=$dir/lib/libcaf_core.a
if [ -e "$built" ] && [ "$(cat "$dir/version" 2>/dev/null)" = "$version" ]; then exit 0; fi
rm -rf "$dir/source" "$dir/build" "${dir:?}/lib" "$dir/apt"
mkdir -p "$dir/source" "$dir/lib" "$dir/apt/lists/partial" "$dir/apt/archives/partial"

# apt with lists of its own: the machine's may leave sources out, and are not ours to change.
# shellcheck disable=SC2016 # $(REPO_URI) is for apt, not for the shell
apt-get indextargets --format 'deb-src $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
  sort -u > "$dir/apt/sources.list"
[ -s "$dir/apt/sources.list" ] || fail "apt knows no archive: run apt-get update"
own_apt() {
  apt-get -q -o Dir::Etc::SourceList="$dir/apt/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$dir/apt/lists" \
    -o Dir::Cache::Archives="$dir/apt/archives" -o APT::Sandbox::User=root "$@"
}
own_apt update
# apt checks what it fetches. A mirror may lack Debian's few changes: upstream's archive will do, see below.
(cd "$dir/source" && own_apt source --download-only "$package=$version") || echo "$0: not all of the source package came" >&2
mkdir "$dir/source/tree"
tar -xf "$dir"/source/*.orig.tar.* -C "$dir/source/tree" --strip-components=1
if ls "$dir"/source/*.debian.tar.* >/dev/null 2>&1; then
  rm -rf "$dir/source/tree"
  (cd "$dir/source" && dpkg-source -x ./*.dsc tree)
fi

# As Debian builds it, but for the sanitizer; fewer, larger pieces compile in a third of the time.
cmake -S "$dir/source/tree" -B "$dir/build" -G Ninja -DCMAKE_BUILD_TYPE=None -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
  -DCMAKE_CXX_FLAGS='-std=c++20 -O1 -g1 -fsanitize=thread -fno-omit-frame-pointer -w' \
  -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE="${CAF_UNITY:-8}" \
  -DCAF_BUILD_STATIC_ONLY=yes -DCAF_NO_EXAMPLES=yes -DCAF_NO_TOOLS=yes -DCAF_NO_UNIT_TESTS=yes -DCAF_NO_OPENCL=yes \
  -DCAF_NO_PYTHON=yes -DCAF_NO_IO=yes -DCAF_NO_OPENSSL=yes
# The headers in use are Debian's: the two must agree on every class, and on every option that shapes one.
headers=$dir/source/tree/libcaf_core
find "$headers/caf" -name '*.hpp' ! -name 'build_config*' | while read -r ours; do
  cmp -s "$ours" "/usr/include/${ours#"$headers/"}" || fail "differs from Debian's: $ours"
done
ours=$(find "$dir/build" "$dir/source/tree" -name build_config.hpp | head -n 1)
[ -n "$ours" ] || fail "CAF's build made no build_config.hpp"
options() { grep -E '^ *#define' "$1" | sort; }
[ "$(options "$ours")" = "$(options "$header")" ] || fail "CAF was configured otherwise than Debian's: $ours, $header"
ninja -C "$dir/build" -j "${JOBS:-$(nproc)}"
library=$(find "$dir/build" "$dir/source/tree" -name 'libcaf_core*.a' | head -n 1)
[ -n "$library" ] || fail "CAF's build made no static library"
cp "$library" "$built"
echo "$version" > "$dir/version"
rm -rf "$dir/source" "$dir/build" "$dir/apt"
