package postback

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// names are the parameters of a report with their aliases, which are the words of
// other trackers.
var names = [][]string{
	{"click_id", "clickid", "cid", "subid", "transaction_id"},
	{"txid", "tid", "order_id"},
	{"amount", "sale_amount"},
	{"payout", "revenue"},
	{"currency"}, {"status"}, {"event"}, {"coupon"}, {"category"},
	{"customer"}, {"customer_id"}, {"reason"},
	{"sub1"}, {"sub2"}, {"sub3"}, {"sub4"}, {"sub5"}, {"sub6"}, {"sub7"}, {"sub8"}, {"sub9"}, {"sub10"},
	{"touches"}, {"at"}, {"ts"}, {"nonce"}, {"sig"}, {"return"}, {"via"},
}

// nameOf gives each alias its parameter.
var nameOf = func() map[string]string {
	m := map[string]string{}
	for _, aliases := range names {
		for _, alias := range aliases {
			m[alias] = aliases[0]
		}
	}
	return m
}()

// parameters are those of one request as they came, decoded, from query and body
// together, in the order of their coming. No name comes twice.
type parameters []struct{ name, value string }

func (p *parameters) add(name, value string) *Refusal {
	switch {
	case len(*p) == ParametersMax:
		return refuse(TooManyParameters, "", "there are more than %d parameters", ParametersMax)
	case len(name) > ValueBytesMax || len(value) > ValueBytesMax:
		return refuse(ValueTooLong, name, "the name or the value is longer than %d bytes", ValueBytesMax)
	case !utf8.ValidString(name) || !utf8.ValidString(value):
		return refuse(EncodingMalformed, strings.ToValidUTF8(name, "�"), "this is not UTF-8 text; send UTF-8, percent-encoded in a query")
	}
	for _, other := range *p {
		if other.name == name {
			return refuse(ParameterTwice, name, "the parameter comes twice; send it once, in the query or in the body")
		}
	}
	*p = append(*p, struct{ name, value string }{name, value})
	return nil
}

// get is the value of a parameter by its very name.
func (p parameters) get(name string) string {
	for _, one := range p {
		if one.name == name {
			return one.value
		}
	}
	return ""
}

// addQuery reads a query or a form: pairs joined by &, percent-encoded, + for a space.
func (p *parameters) addQuery(raw string) *Refusal {
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		n, err1 := url.QueryUnescape(name)
		v, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil {
			return refuse(EncodingMalformed, strings.ToValidUTF8(name, "�"), "a percent sign is not followed by two hexadecimal digits; write %%25 for a percent sign")
		}
		if r := p.add(n, v); r != nil {
			return r
		}
	}
	return nil
}

// addJSON reads one flat JSON object. A number keeps the digits that it was written with.
func (p *parameters) addJSON(body []byte) *Refusal {
	if !utf8.Valid(body) {
		return refuse(EncodingMalformed, "", "the body is not UTF-8 text")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return refuse(JSONMalformed, "", "the body is not a JSON object, such as {\"txid\": \"A-1001\", \"amount\": \"49.90\"}")
	}
	for d.More() {
		t, err := d.Token()
		name, isName := t.(string)
		if err != nil || !isName {
			return malformedJSON(err)
		}
		value, r := jsonValue(d, name)
		if r == nil {
			r = p.add(name, value)
		}
		if r != nil {
			return r
		}
	}
	if _, err := d.Token(); err != nil {
		return malformedJSON(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return refuse(JSONMalformed, "", "something follows the JSON object")
	}
	return nil
}

// jsonValue is a value as text: null is "", the list of touches is joined by commas.
func jsonValue(d *json.Decoder, name string) (string, *Refusal) {
	t, err := d.Token()
	if err != nil {
		return "", malformedJSON(err)
	}
	switch t := t.(type) {
	case nil:
		return "", nil
	case string:
		return t, nil
	case json.Number:
		return t.String(), nil
	case bool:
		return strconv.FormatBool(t), nil
	}
	if t != json.Delim('[') || name != "touches" {
		return "", refuse(JSONMalformed, name, "the value is an object or a list; send text or a number")
	}
	var list []string
	for d.More() {
		t, err := d.Token()
		text, isText := t.(string)
		if err != nil || !isText {
			return "", refuse(JSONMalformed, name, "the list may hold click ids as text only")
		}
		list = append(list, text)
	}
	if _, err := d.Token(); err != nil {
		return "", malformedJSON(err)
	}
	return strings.Join(list, ","), nil
}

func malformedJSON(err error) *Refusal {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return refuse(JSONMalformed, "", "the body is not JSON at byte %d: %s", syntax.Offset, syntax)
	}
	return refuse(JSONMalformed, "", "the JSON object is not complete")
}

// macro is what a tracker or network would have filled in: {payout}, ${payout},
// {{payout}}, [[x]], !!!x!!!, %payout%, __CLICKID__, and %7Bpayout%7D, which was encoded twice.
var macro = regexp.MustCompile(`\{[^{}]*\}|\[\[.*\]\]|!!!.+!!!|(?i:%7B.*%7D)|^%[A-Za-z][A-Za-z0-9_]*%$|^__[A-Z][A-Z0-9_]*__$`)

// isMacro looks at a text before it runs the expression: most values have nothing of it.
func isMacro(s string) bool { return strings.ContainsAny(s, "{[!%_") && macro.MatchString(s) }

// fields are the values of a report by the names of its parameters, without empty
// ones, and what was said besides.
type fields struct {
	values   map[string]string
	words    map[string]affiliate.ReportStatus // the sender's words for our statuses
	warnings []string
}

func (f *fields) warn(code, format string, args ...any) {
	f.warnings = append(f.warnings, code+": "+refuse("", "", format, args...).Message)
}

// unknownShown is how many unknown parameters an answer names.
const unknownShown = 10

// fields gives parameters their meaning.
func (p parameters) fields() (fields, *Refusal) {
	f := fields{values: map[string]string{}}
	unknown := 0
	for _, one := range p {
		if status, ok := mapped[one.name]; ok {
			if r := f.addWords(one.name, one.value, status); r != nil {
				return f, r
			}
			continue
		}
		name, known := nameOf[one.name]
		if !known {
			if unknown++; unknown <= unknownShown {
				f.warn("parameter_unknown", "%q means nothing here and is left out", clip(one.name))
			}
			continue
		}
		if r := f.set(name, one.name, one.value); r != nil {
			return f, r
		}
	}
	return f, nil
}

func (f *fields) set(name, alias, value string) *Refusal {
	value = strings.TrimSpace(value)
	if value == "" {
		return nil
	}
	if isMacro(value) {
		return refuse(MacroUnresolved, alias, "%q is a macro that was not filled in; check its spelling where the postback is set up", clip(value))
	}
	if strings.IndexFunc(value, func(c rune) bool { return unicode.IsControl(c) || c == utf8.RuneError }) >= 0 {
		return refuse(ValueMalformed, alias, "there are control characters or broken characters in the value")
	}
	if other, ok := f.values[name]; ok && other != value {
		return refuse(AliasesDisagree, alias, "%q and another name of %s, %q, are not the same; send one of them", clip(value), name, clip(other))
	}
	f.values[name] = value
	return nil
}
