package postback

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const blanked = "[blanked]"

// signatureInJSON finds a signature in a body that may be no JSON at all.
var signatureInJSON = regexp.MustCompile(`("sig"\s*:\s*)("[^"]*"?|[^,}\s]*)`)

// raw is the request as people may look at it later: without what would let them, or
// whoever steals their files, send in its name. It is blanked out before it is cut.
func (in *request) raw() string {
	secrets := []string{in.parameters.get("sig"), in.token, string(in.inbox.Secret)}
	if customer := in.parameters.get("customer_id"); strings.Contains(customer, "@") {
		secrets = append(secrets, customer) // an address is refused, so it is not kept either
	}
	secrets = slices.DeleteFunc(secrets, func(s string) bool { return s == "" })
	query, form := blankPairs(in.URL.RawQuery, secrets), string(in.body)
	if strings.HasPrefix(strings.TrimSpace(form), "{") {
		form = signatureInJSON.ReplaceAllString(form, `${1}"`+blanked+`"`)
	} else {
		form = blankPairs(form, secrets)
	}
	for _, secret := range secrets {
		query, form = strings.ReplaceAll(query, secret, blanked), strings.ReplaceAll(form, secret, blanked)
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

// blankPairs removes the value of every sig of a query, even one that could not be
// read, and of whatever else holds a secret, however it is encoded.
func blankPairs(query string, secrets []string) string {
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		n, err := url.QueryUnescape(name)
		v, _ := url.QueryUnescape(value)
		if ok && (err != nil || strings.TrimSpace(n) == "sig" ||
			slices.ContainsFunc(secrets, func(secret string) bool { return strings.Contains(v, secret) })) {
			pairs[i] = name + "=" + blanked
		}
	}
	return strings.Join(pairs, "&")
}
