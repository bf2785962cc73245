package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// reference reads a click with encoding/json, field by field and by its tags. bad is whether
// the text is no JSON object; wrong is whether a field is of the wrong kind.
func reference(line []byte) (c Click, bad, wrong bool) {
	var fields map[string]json.RawMessage
	if trimmed := bytes.TrimLeft(line, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' || json.Unmarshal(line, &fields) != nil {
		return c, true, false
	}
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		key := v.Type().Field(i).Tag.Get("json")
		raw, there := fields[key]
		if !there {
			continue
		}
		var value any
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if d.Decode(&value) != nil {
			return c, true, false
		}
		if !set(v.Field(i), key, value) {
			return c, false, true
		}
	}
	return c, false, false
}

// set gives a field a value of JSON, as the contract of Click has it.
func set(f reflect.Value, key string, value any) bool {
	if value == nil {
		return true
	}
	switch f.Kind() {
	case reflect.String:
		text, ok := value.(string)
		if list, isList := value.([]any); isList && key == "why" {
			var words []string
			for _, word := range list {
				one, isText := word.(string)
				if !isText {
					return false
				}
				if one != "" || len(words) > 0 {
					words = append(words, one)
				}
			}
			text, ok = strings.Join(words, ","), true
		}
		f.SetString(text)
		return ok
	case reflect.Int, reflect.Int64:
		text := fmt.Sprint(value)
		switch value.(type) {
		case string, json.Number:
		default:
			return false
		}
		if text == "" {
			return true
		}
		n, err := strconv.ParseInt(text, 10, 64)
		f.SetInt(n)
		return err == nil && n >= 0 && !strings.ContainsAny(text[:1], "+-")
	case reflect.Bool:
		if b, isBool := value.(bool); isBool {
			f.SetBool(b)
			return true
		}
		switch value.(type) {
		case string, json.Number:
		default:
			return false
		}
		switch fmt.Sprint(value) {
		case "1", "true":
			f.SetBool(true)
		case "0", "false", "", "null":
		default:
			return false
		}
		return true
	}
	return false
}

// compare reads a line in both ways. That a key comes twice is left out where the first is of
// a wrong kind, since ours does not wait for the second.
func compare(t *testing.T, line []byte) {
	t.Helper()
	if !utf8.Valid(line) {
		return // encoding/json changes what is not UTF-8, and nginx writes such
	}
	var s scanner
	var got Click
	s.b = line
	err := s.click(&got)
	if err == nil {
		if s.skipSpace(); s.at < len(line) {
			err = s.fault("something follows")
		}
	}
	compareWarm(t, line, got, err)
	want, bad, wrong := reference(line)
	_, isSyntax := err.(*syntaxError)
	switch {
	case bad != isSyntax && !(bad && err != nil):
		if s.deep > 0 || strings.Contains(fmt.Sprint(err), "deep") {
			return // ours is bounded
		}
		t.Errorf("%q: %v; encoding/json: bad %v", line, err, bad)
	case bad || wrong:
		if err == nil {
			t.Errorf("%q is read as %+v; encoding/json: bad %v, wrong %v", line, got, bad, wrong)
		}
	case err != nil:
		if !repeats(line) {
			t.Errorf("%q: %v; encoding/json reads %+v", line, err, want)
		}
	case got != want:
		t.Errorf("%q is read as\n%+v, by encoding/json as\n%+v", line, got, want)
	}
}

// compareWarm reads the line with a scanner that remembers the keys of another one, and of this one:
// it comes to the same.
func compareWarm(t *testing.T, line []byte, want Click, wrong error) {
	t.Helper()
	var s scanner
	var got Click
	for _, before := range [...]string{jsonSeeds[0], string(line), string(line)} {
		s.b, s.at, s.deep = []byte(before), 0, 0
		_ = s.click(&got) // only its keys count
		s.b, s.at, s.deep = line, 0, 0
		err := s.click(&got)
		if err == nil {
			if s.skipSpace(); s.at < len(line) {
				err = s.fault("something follows")
			}
		}
		if fmt.Sprint(err) != fmt.Sprint(wrong) || err == nil && got != want {
			t.Errorf("%q is read as %+v, %v; with other keys in mind as %+v, %v", line, want, wrong, got, err)
		}
	}
}

// repeats says that an object has a key twice.
func repeats(line []byte) bool {
	d := json.NewDecoder(bytes.NewReader(line))
	seen := map[any]bool{}
	depth := 0
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		default:
			if depth == 1 && seen[token] {
				return true
			}
			seen[token] = true
		}
	}
}

const nginxLine = `{"id":"z7815248001230f1e2d3c4b5","host":"blog.example","path":"/go/the-thing-17","query":"utm_source=newsletter&sub1=autumn&sub2=a%20b","method":"GET","proto":"HTTP/2.0","scheme":"https","url":"https://www.awin1.com/cread.php?awinmid=1234&awinaffid=98765&clickref=z7815248001230f1e2d3c4b5&ued=https%3A%2F%2Fshop.example%2Fthings%2F17","code":"302","ip":"203.0.113.77","agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36","referrer":"https://blog.example/reviews/the-thing-17","language":"de-DE,de;q=0.9,en;q=0.8","accept":"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8","dnt":"","gpc":"","sec_purpose":"","fetch_dest":"document","fetch_mode":"navigate","fetch_site":"same-origin","fetch_user":"?1","hints":"\"Chromium\";v=\"141\", \"Not?A_Brand\";v=\"8\"","hint_mobile":"?0"}`

var jsonSeeds = []string{
	nginxLine, `{}`, ` { } `, `{"id":""}`, `{"id":null,"link":null,"code":null,"returning":null,"why":null}`,
	`{"link":17,"code":"302","returning":"1","cookie_refused":true}`, `{"link":"","code":0,"returning":0}`, `{"link":1.5}`, `{"link":-1}`, `{"link":"+1"}`,
	`{"link":1e2}`, `{"link":99999999999999999999}`, `{"link":[1]}`, `{"returning":2}`, `{"returning":{}}`, `{"returning":"yes"}`,
	`{"why":["rule","shared"]}`, `{"why":"rule,shared"}`, `{"why":[1]}`, `{"why":[]}`, `{"why":{}}`, `{"why":["","a"]}`,
	`{"x":{"a":[1,2,{"b":null}],"c":-0.5e+10},"id":"a"}`, `{"x":[[[[]]]]}`, `{"x":tru}`, `{"x":01}`, `{"x":1.}`, `{"x":-}`, `{"x":1e}`, `{"x":.5}`,
	`{"id":"a\"b\\c\/d\b\f\n\r\te"}`, `{"id":"\u00e9\ud83d\ude00\ud83d\u0041\udc00"}`, `{"id":"\ud83d"}`, `{"id":"\u12"}`, `{"id":"\x41"}`, `{"id":"a`, `{"id":"a\`,
	"{\"id\":\"a\nb\"}", "{\"id\":\"a\x00b\"}", "{\"id\":\"12345678\x1f\"}", `{"id":5}`, `{"id":"a",}`, `{"id" "a"}`, `{"id":"a"} x`, `{id:"a"}`, `[]`, `"a"`, ``, `{`,
	`{"\u0069d":"a"}`, `{"ID":"a"}`, `{"id":"a","id":"b"}`, `{"agent":"größe 日本"}`, "{\"id\":\"\xff\"}", `{"x":nul}`, `{"id":nul}`, "\ufeff{}",
}

func TestJSONAgreesWithEncodingJSON(t *testing.T) {
	for _, seed := range jsonSeeds {
		compare(t, []byte(seed))
		for cut := range len(seed) {
			compare(t, []byte(seed[:cut]))
		}
	}
}

func FuzzJSON(f *testing.F) {
	for _, seed := range jsonSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) { compare(t, line) })
}

// nginx writes bytes that are not UTF-8 as they came.
func TestJSONKeepsBytes(t *testing.T) {
	s := scanner{b: []byte("{\"agent\":\"a\xff\xfe \\u00ff\",\"referrer\":\"\xc3\x28\"}")}
	var c Click
	if err := s.click(&c); err != nil || c.Agent != "a\xff\xfe ÿ" || c.Referrer != "\xc3\x28" {
		t.Errorf("read as %q and %q: %v", c.Agent, c.Referrer, err)
	}
}

func TestClicksOfABody(t *testing.T) {
	for body, want := range map[string]string{
		`{"clicks":[]}`:                      "",
		`{"clicks":[{"id":"a"},{"id":"b"}]}`: "a b",
		` {"v":1, "x":{"clicks":[{"id":"no"}]}, "clicks" : [ {"id":"a"} ] , "y":[2] } `: "a",
		"{\"id\":\"a\"}\n{\"id\":\"b\"}\n":                                              "a b",
		"\n\n{\"id\":\"a\"}\r\n\n":                                                      "a",
		"{\"id\":\"a\"}{\"id\":\"b\"}":                                                  "a b",
		"":                                                                              "",
		`{"clicks":7,"id":"a"}`:                                                         "a", // one click with a key that is not known
		`{"clicks":[{"id":"a"},]}`:                                                      "at byte 22",
		`{"clicks":[{"id":"a"}`:                                                         "at byte 21",
		`{"clicks":[{"id":"a"}]} {}`:                                                    "at byte 24",
		`{"clicks":[{"id":"a"}],"clicks":[{"id":"b"}]}`:                                 "two lists",
		"{\"id\":\"a\"}\nnot json\n":                                                    "a click is an object",
		`[{"id":"a"}]`:                                                                  "a click is an object",
	} {
		s := scanner{b: []byte(body)}
		var c Click
		var ids []string
		n, err := s.eachClick(&c, func(at int) error {
			if at != len(ids) {
				t.Errorf("%s: click %d is told to be %d", body, len(ids), at)
			}
			ids = append(ids, strings.Clone(c.ID))
			return nil
		})
		got := strings.Join(ids, " ")
		if err != nil {
			if !strings.Contains(err.Error(), want) || want == "" {
				t.Errorf("%s: %v, want %q", body, err, want)
			}
			continue
		}
		if got != want || n != len(ids) {
			t.Errorf("%s: %d clicks %q, want %q", body, n, got, want)
		}
	}
}
