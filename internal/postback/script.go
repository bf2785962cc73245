package postback

import (
	_ "embed"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ScriptPath is where the script for merchants' pages is served.
const ScriptPath = "/sluice.js"

// script keeps click ids first-party and reports orders from a page.
//
//go:embed sluice.js
var script string

// serveScript lets browsers keep the script for an hour, and any page check it by its hash.
func serveScript(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the script is fetched with GET", http.StatusMethodNotAllowed)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/javascript; charset=utf-8")
	header.Set("Cache-Control", "public, max-age=3600")
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	header.Set("ETag", scriptTag)
	http.ServeContent(w, r, ScriptPath, time.Time{}, strings.NewReader(script))
}

var scriptTag = strconv.Quote(Sign(nil, script)[:16])
