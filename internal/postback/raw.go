package postback

import (
	"net/url"
	"regexp"
	"strings"
)

const blanked = "[blanked]"

// signatureInJSON finds a signature in a body that may be no JSON at all.
var signatureInJSON = regexp.MustCompile(`("sig"\s*:\s*)("[^"]*"?|[^,}\s]*)`)

// raw is the request as people may look at it later: without what would let them, or
// whoever steals their files, send in its name. It is blanked out before it is cut.
func (in *request) raw() string {
	form := string(in.body)
	if strings.HasPrefix(strings.TrimSpace(form), "{") {
		form = signatureInJSON.ReplaceAllString(form, `${1}"`+blanked+`"`)
	} else {
		form = blankPairs(form)
	}
	query := blankPairs(in.URL.RawQuery)
	secrets := []string{in.parameters.get("sig"), in.token, string(in.inbox.Secret)}
	if customer := in.parameters.get("customer_id"); strings.Contains(customer, "@") {
		secrets = append(secrets, customer) // an address is refused, so it is not kept either
	}
	for _, secret := range secrets {
		if secret != "" {
			query, form = blank(query, secret), blank(form, secret)
		}
	}
	text := in.Method + " /postback/" + blanked
	if in.pixel {
		text = in.Method + " /pixel/" + blanked + ".gif"
	}
	if query != "" {
		text += "?" + query
	}
	if form != "" {
		text += "\n\n" + form
	}
	text = strings.ToValidUTF8(text, "�")
	if len(text) > RawBytesMax {
		text = strings.ToValidUTF8(text[:RawBytesMax-len("…")], "") + "…"
	}
	return text
}

// blank removes a secret, in plain and encoded for a query.
func blank(text, secret string) string {
	text = strings.ReplaceAll(text, secret, blanked)
	return strings.ReplaceAll(text, url.QueryEscape(secret), blanked)
}

// blankPairs removes the value of every sig of a query, even one that could not be read.
func blankPairs(query string) string {
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, _, ok := strings.Cut(pair, "=")
		decoded, err := url.QueryUnescape(name)
		if ok && (err != nil || strings.TrimSpace(decoded) == "sig") {
			pairs[i] = name + "=" + blanked
		}
	}
	return strings.Join(pairs, "&")
}
