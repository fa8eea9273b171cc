#!/bin/sh
# Makes an OCI image layout in DIR that holds docker.io/library/busybox:latest, built from Debian's busybox-static
# without any network. The same busybox gives the same bytes, hence the same digests.
#   usage: make-busybox-layout.sh DIR
# BUSYBOX names another static busybox binary.
set -eu
umask 022
export LC_ALL=C

[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
dir=$1
busybox=${BUSYBOX:-$(command -v busybox || true)}
[ -n "$busybox" ] || { echo "$0: no busybox found; install Debian's busybox-static" >&2; exit 1; }
busybox=$(readlink -f "$busybox")
# A container has nothing but this file, so that a binary with an interpreter cannot start in it.
if head -c 4096 "$busybox" | grep -aq 'ld-linux\|ld-musl'; then
  echo "$0: $busybox is not static; install Debian's busybox-static" >&2
  exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/bin "$root"/dev "$root"/etc "$root"/home "$root"/proc "$root"/root "$root"/sys "$root"/tmp \
  "$root"/usr "$root"/var/spool/mail "$root"/var/www
cp "$busybox" "$root/bin/busybox"
chmod 0755 "$root/bin/busybox"
for applet in $("$busybox" --list); do
  [ "$applet" = busybox ] || ln "$root/bin/busybox" "$root/bin/$applet"
done
ln -s ../bin "$root/usr/bin"
ln -s ../bin "$root/usr/sbin"
ln -s bin "$root/sbin"
cat > "$root/etc/passwd" <<'EOF'
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
EOF
cat > "$root/etc/group" <<'EOF'
root:x:0:
daemon:x:1:
bin:x:2:
tty:x:5:
mail:x:8:
www-data:x:33:
nogroup:x:65534:
EOF
echo 'root:*:::::::' > "$root/etc/shadow"
chmod 0640 "$root/etc/shadow"
chmod 1777 "$root/tmp"
chmod 0700 "$root/root"

tar --create --file "$work/layer.tar" --directory "$root" --sort=name --format=ustar --numeric-owner --owner=0 \
  --group=0 --mtime=@0 .
diff_id=$(sha256sum "$work/layer.tar" | cut -d ' ' -f 1)
gzip -n -6 < "$work/layer.tar" > "$work/layer.tar.gz"

case $(uname -m) in
  x86_64) arch=amd64 ;;
  aarch64) arch=arm64 ;;
  *) arch=$(uname -m) ;;
esac
cat > "$work/config.json" <<EOF
{"created":"1970-01-01T00:00:00Z","architecture":"$arch","os":"linux","config":{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Cmd":["sh"]},"rootfs":{"type":"layers","diff_ids":["sha256:$diff_id"]},"history":[{"created":"1970-01-01T00:00:00Z","created_by":"make-busybox-layout"}]}
EOF

# blob FILE: stores it by its digest; leaves that in $hex and its size in $bytes.
out=$work/layout
mkdir -p "$out/blobs/sha256"
blob() {
  hex=$(sha256sum "$1" | cut -d ' ' -f 1)
  cp "$1" "$out/blobs/sha256/$hex"
  bytes=$(wc -c < "$1" | tr -d ' ')
}
blob "$work/layer.tar.gz"
layer_hex=$hex layer_bytes=$bytes
blob "$work/config.json"
cat > "$work/manifest.json" <<EOF
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:$hex","size":$bytes},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:$layer_hex","size":$layer_bytes}]}
EOF
blob "$work/manifest.json"
echo '{"imageLayoutVersion":"1.0.0"}' > "$out/oci-layout"
cat > "$out/index.json" <<EOF
{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:$hex","size":$bytes,"platform":{"architecture":"$arch","os":"linux"},"annotations":{"org.opencontainers.image.ref.name":"docker.io/library/busybox:latest"}}]}
EOF

# The blobs come first and the index last: who reads DIR meanwhile sees the old image or the new one.
mkdir -p "$dir/blobs/sha256"
cp "$out"/blobs/sha256/* "$dir/blobs/sha256/"
cp "$out/oci-layout" "$dir/oci-layout"
cp "$out/index.json" "$dir/.index.json.new"
mv "$dir/.index.json.new" "$dir/index.json"
