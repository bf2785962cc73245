package web

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"mime"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// asset is one file of the dashboard in all its forms.
type asset struct {
	contentType  string
	cacheControl string
	forms        []form // most wanted first; the last is the file as it is
}

// form is the content in one encoding.
type form struct {
	encoding string // "br", "gzip", or "" for none
	content  []byte
	etag     string
}

// encodings are the forms that the build puts beside a file, best first.
var encodings = []struct{ name, suffix string }{{"br", ".br"}, {"gzip", ".gz"}}

// hashed is a file whose name changes with its content.
var hashed = regexp.MustCompile(`^/assets/.+-[A-Za-z0-9_-]{8}\.[a-z0-9]+$`)

// load reads all files, by their path on the server.
func load(files fs.FS) (map[string]*asset, error) {
	contents := map[string][]byte{}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), ".") {
			return err
		}
		contents["/"+name], err = fs.ReadFile(files, name)
		return err
	})
	assets := map[string]*asset{}
	for name, content := range contents {
		if compressed(name, contents) {
			continue
		}
		a := &asset{contentType: typeOf(name), cacheControl: "no-cache"}
		if hashed.MatchString(name) {
			a.cacheControl = "public, max-age=31536000, immutable"
		}
		for _, e := range encodings {
			if small, ok := contents[name+e.suffix]; ok {
				a.forms = append(a.forms, newForm(e.name, small))
			}
		}
		a.forms = append(a.forms, newForm("", content))
		assets[name] = a
	}
	return assets, err
}

// compressed says whether the file is another one's compressed form.
func compressed(name string, contents map[string][]byte) bool {
	for _, e := range encodings {
		if of, ok := strings.CutSuffix(name, e.suffix); ok && contents[of] != nil {
			return true
		}
	}
	return false
}

func newForm(encoding string, content []byte) form {
	sum := sha256.Sum256(content)
	return form{encoding: encoding, content: content, etag: `"` + hex.EncodeToString(sum[:12]) + `"`}
}

// types do not depend on what the machine knows of file names.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".json": "application/json", ".png": "image/png", ".woff2": "font/woff2",
	".txt": "text/plain; charset=utf-8", ".webmanifest": "application/manifest+json",
}

func typeOf(name string) string {
	ext := path.Ext(name)
	if t := types[ext]; t != "" {
		return t
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}

// choose returns the best form that an Accept-Encoding header takes.
func (a *asset) choose(accept string) form {
	for _, f := range a.forms {
		if f.encoding == "" || accepts(accept, f.encoding) {
			return f
		}
	}
	return a.forms[len(a.forms)-1]
}

// accepts says whether an Accept-Encoding header takes the encoding. A wildcard
// takes none: whoever sends it gets the file as it is.
func accepts(header, encoding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), encoding) {
			continue
		}
		quality, found := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(params), " ", ""), "q=")
		q, err := strconv.ParseFloat(quality, 64)
		return !found || err == nil && q > 0
	}
	return false
}
