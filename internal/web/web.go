// Package web serves the dashboard that is built into the program.
//
// Its promise: every answer comes from memory, says how long it may be kept, and
// carries a policy that lets a browser run nothing but the dashboard's own files.
// It holds no data and knows no user: the pages ask the API for both. A program
// that was built without the dashboard says so, and how to build it.
package web

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed all:dist
var built embed.FS

// Options of the handler. The zero value serves what is built in.
type Options struct {
	// Files are the built dashboard, with index.html at the top; those that are
	// embedded when nil.
	Files fs.FS
}

// Handler returns the handler of every path that is not the API's. A path that
// names no file and has no extension is one of the dashboard's own addresses and
// answered with its page. It panics when the files cannot be read, which embedded
// ones always can.
func Handler(o Options) http.Handler {
	files := o.Files
	if files == nil {
		files, _ = fs.Sub(built, "dist") // fails for invalid names only
	}
	assets, err := load(files)
	if err != nil {
		panic(fmt.Sprintf("BUG: the files of the dashboard cannot be read: %v", err))
	}
	return &handler{assets: assets, page: assets["/index.html"]}
}

type handler struct {
	assets map[string]*asset // by path, such as /assets/index-4f2a.js
	page   *asset            // nil when the dashboard was not built
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, r.Method+" is not possible here; GET is", http.StatusMethodNotAllowed)
		return
	}
	if found := h.assets[r.URL.Path]; found != nil && found != h.page {
		found.serve(w, r)
		return
	}
	switch {
	case r.URL.Path != "/index.html" && path.Ext(r.URL.Path) != "":
		// A page that an earlier version sent asks for files that are gone.
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "there is no such file; load the page again", http.StatusNotFound)
	case h.page == nil:
		notBuilt(w)
	default:
		h.page.serve(w, r)
	}
}

// policy lets the dashboard load its own files and talk to its own server, and
// nothing else. Neither scripts nor styles may stand in the page itself.
var policy = strings.Join([]string{
	"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "font-src 'self'",
	"connect-src 'self'", "manifest-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
}, "; ")

// secure sets what every answer carries. The address of a page may hold a login
// code, so it is never handed on as a referrer.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("X-Robots-Tag", "noindex")
}

const notBuiltPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Sluice</title>
<h1>The dashboard was not built</h1>
<p>This program was compiled without it. Run <code>make build</code> and start it again.</p>
<p>All else works: the <a href="/api/openapi.json">API</a>, the redirects, and the command line (<code>sluice link</code>, <code>sluice report</code>).</p>
</html>
`

func notBuilt(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte(notBuiltPage)) // the caller is gone when this fails
}

// serve answers with the smallest form that the browser takes.
func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", a.cacheControl)
	if len(a.forms) > 1 {
		h.Set("Vary", "Accept-Encoding")
	}
	form := a.choose(r.Header.Get("Accept-Encoding"))
	if form.encoding != "" {
		h.Set("Content-Encoding", form.encoding)
	}
	h.Set("ETag", form.etag)
	// ServeContent answers conditions and ranges. A time would be that of the
	// build, which says nothing about the content.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(form.content))
}
