package redirect

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
)

// Handler serves visits through net/http and records them with keep, several at
// the same time. country is the name of the header in which a trusted proxy tells
// the visitor's country, "" for none.
func (r *Redirector) Handler(country string, keep Record) http.Handler {
	country = http.CanonicalHeaderKey(country)
	pool := sync.Pool{New: func() any { return r.NewAnswer(keep) }}
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		if hr.Method != http.MethodGet && hr.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			writePage(w, http.StatusMethodNotAllowed)
			return
		}
		a := pool.Get().(*Answer)
		defer pool.Put(a)
		q := RequestFrom(hr, country)
		r.Answer(&q, a)
		r.Keep(a)
		write(w, a)
	})
}

// secureVisitor is the key of WithSecureVisitor.
type secureVisitor struct{}

// WithSecureVisitor marks the context of requests whose visitor has come over TLS,
// to a proxy that said so in the PROXY protocol.
func WithSecureVisitor(ctx context.Context) context.Context {
	return context.WithValue(ctx, secureVisitor{}, true)
}

// RequestFrom reads what Answer needs from a parsed request.
func RequestFrom(r *http.Request, country string) Request {
	path, query := r.URL.EscapedPath(), r.URL.RawQuery
	if strings.HasPrefix(r.RequestURI, "/") {
		path, query, _ = strings.Cut(r.RequestURI, "?")
	}
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	h := r.Header
	q := Request{
		Head: r.Method == http.MethodHead, OldHTTP: !r.ProtoAtLeast(1, 1), TLS: r.TLS != nil || r.Context().Value(secureVisitor{}) != nil,
		Peer: peer.Addr().WithZone(""), Host: r.Host, Path: path, Query: query,
		Header: Header{
			UserAgent:      h.Get("User-Agent"),
			Referrer:       h.Get("Referer"),
			Language:       h.Get("Accept-Language"),
			Accept:         h.Get("Accept"),
			Cookie:         strings.Join(h["Cookie"], "; "),
			DoNotTrack:     h.Get("Dnt"),
			PrivacyGlobal:  h.Get("Sec-Gpc"),
			SecPurpose:     h.Get("Sec-Purpose"),
			Purpose:        h.Get("Purpose"),
			XPurpose:       h.Get("X-Purpose"),
			XMoz:           h.Get("X-Moz"),
			FetchDest:      h.Get("Sec-Fetch-Dest"),
			FetchMode:      h.Get("Sec-Fetch-Mode"),
			FetchSite:      h.Get("Sec-Fetch-Site"),
			FetchUser:      h.Get("Sec-Fetch-User"),
			Hints:          h.Get("Sec-Ch-Ua"),
			HintMobile:     h.Get("Sec-Ch-Ua-Mobile"),
			ForwardedFor:   strings.Join(h["X-Forwarded-For"], ","),
			ForwardedProto: h.Get("X-Forwarded-Proto"),
			Forwarded:      strings.Join(h["Forwarded"], ","),
		},
	}
	if country != "" {
		q.Header.Country = h.Get(country)
	}
	return q
}

// write sends the answer.
func write(w http.ResponseWriter, a *Answer) {
	h := w.Header()
	h["Cache-Control"] = noStore
	h["X-Robots-Tag"] = noIndex
	if len(a.Cookie) > 0 {
		h["Set-Cookie"] = []string{string(a.Cookie)}
	}
	if len(a.Location) == 0 {
		writePage(w, a.Status)
		return
	}
	h["Location"] = []string{string(a.Location)}
	h["Referrer-Policy"] = referrerPolicy
	h["Content-Length"] = empty
	w.WriteHeader(a.Status)
}

// Networks check where a click comes from, so the redirect passes the referrer on.
var (
	noStore        = []string{"no-store"}
	noIndex        = []string{"noindex"}
	referrerPolicy = []string{"no-referrer-when-downgrade"}
	empty          = []string{"0"}
)

// pages are what visitors see who cannot be sent anywhere.
var pages = map[int]string{
	http.StatusNotFound:         page("This link leads nowhere", "It may have been mistyped, or it is no longer offered."),
	http.StatusForbidden:        page("This link is for people", "Automatic requests are not served here."),
	http.StatusMethodNotAllowed: page("A link can only be followed", "Use GET or HEAD."),
}

func page(title, text string) string {
	return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>` + title +
		`</title><style>body{font:18px/1.5 system-ui,sans-serif;max-width:32em;margin:20vh auto;padding:0 1em;color:#223}</style><h1>` +
		title + `</h1><p>` + text + "</p></html>\n"
}

func writePage(w http.ResponseWriter, status int) {
	h, body := w.Header(), pages[status]
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	h["Cache-Control"] = noStore
	h["X-Robots-Tag"] = noIndex
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // the visitor may be gone; there is nobody to tell
}
