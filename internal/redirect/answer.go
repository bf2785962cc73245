package redirect

import (
	"net/http"
	"strconv"
)

// AppendHTTP appends the answer as HTTP/1.1, with the same headers that Handler
// sends. date is the time as HTTP spells it.
func (a *Answer) AppendHTTP(b, date []byte, head, keepAlive bool) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = append(b, statusLine(a.Status)...)
	b = append(b, "\r\nCache-Control: no-store\r\nX-Robots-Tag: noindex\r\nDate: "...)
	b = append(b, date...)
	if len(a.Cookie) > 0 {
		b = append(b, "\r\nSet-Cookie: "...)
		b = append(b, a.Cookie...)
	}
	if !keepAlive {
		b = append(b, "\r\nConnection: close"...)
	}
	if len(a.Location) > 0 {
		b = append(b, "\r\nLocation: "...)
		b = append(b, a.Location...)
		return append(b, "\r\nReferrer-Policy: no-referrer-when-downgrade\r\nContent-Length: 0\r\n\r\n"...)
	}
	page := pages[a.Status]
	b = append(b, "\r\nContent-Type: text/html; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(page)), 10)
	b = append(b, "\r\n\r\n"...)
	if !head {
		b = append(b, page...)
	}
	return b
}

// statusLine is the code and its reason.
func statusLine(status int) string {
	switch status {
	case http.StatusFound:
		return "302 Found"
	case http.StatusMovedPermanently:
		return "301 Moved Permanently"
	case http.StatusTemporaryRedirect:
		return "307 Temporary Redirect"
	case http.StatusPermanentRedirect:
		return "308 Permanent Redirect"
	case http.StatusForbidden:
		return "403 Forbidden"
	}
	return "404 Not Found"
}
