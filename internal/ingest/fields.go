package ingest

import (
	"fmt"
	"strconv"
	"strings"
)

// fieldError says what is wrong with one field of a click.
type fieldError struct{ field, text string }

func (e *fieldError) Error() string { return e.field + ": " + e.text }

func faultf(field, format string, args ...any) error {
	return &fieldError{field, fmt.Sprintf(format, args...)}
}

// clip shortens what a message repeats.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// click takes an object as a click. Keys that are not known are passed over; one that comes
// twice counts the last time. The click's texts are parts of the scanner's.
func (s *scanner) click(c *Click) error {
	*c, s.own = Click{}, s.own[:0]
	if err := s.expect('{', "a click is an object"); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.at++
		return nil
	}
	if s.of != c {
		s.of, s.order = c, s.order[:0]
	}
	// As object does it, without a call for each key.
	for n := 0; ; n++ {
		if err := s.pair(c, n); err != nil {
			return err
		}
		if s.take(',') {
			continue
		}
		switch s.peek() {
		case ',':
			s.at++
		case '}':
			s.at++
			return nil
		default:
			return s.fault("\",\" or \"}\" is wanted behind a value, and there is %s", s.next())
		}
	}
}

// pair takes the nth key of a click and its value.
func (s *scanner) pair(c *Click, n int) (err error) {
	if n < len(s.order) {
		p := &s.order[n]
		if end := s.at + len(p.spelled); end < len(s.b) && string(s.b[s.at:end]) == p.spelled {
			s.at = end
			if p.to != nil && s.b[end] == '"' {
				*p.to, err = s.text()
				return err
			}
			return s.field(c, p.key)
		}
	}
	if s.peek() != '"' {
		return s.fault("a key in quotes is wanted, and there is %s", s.next())
	}
	from := s.at
	key, err := s.text()
	if err != nil {
		return err
	}
	if !s.take(':') {
		if err := s.expect(':', "\":\" is wanted behind a key"); err != nil {
			return err
		}
	}
	s.remember(c, n, from, key)
	return s.field(c, key)
}

// remember notes a key for the next click, if it is spelled plainly and was taken just now.
func (s *scanner) remember(c *Click, n, from int, key string) {
	if n > len(s.order) || n >= placesMax || s.at-from != len(key)+3 || len(key) > keyBytesMax {
		return
	}
	p := place{spelled: string(s.b[from:s.at])}
	p.key = p.spelled[1 : len(p.spelled)-2]
	p.to = c.text(p.key)
	s.order = append(s.order[:n], p)
}

// field takes the value of a key.
func (s *scanner) field(c *Click, key string) (err error) {
	if to := c.text(key); to != nil {
		switch s.peek() {
		case '"':
			*to, err = s.text()
			return err
		case 'n':
			*to = ""
			_, err = s.word()
			return err
		}
		return s.wrongKind(key, "a text is wanted")
	}
	switch key {
	case "link":
		c.Link, err = s.integer(key)
		return err
	case "code":
		n, err := s.integer(key)
		c.Code = int(n)
		return err
	case "returning":
		c.Returning, err = s.truth(key)
		return err
	case "cookie_refused":
		c.CookieRefused, err = s.truth(key)
		return err
	case "why":
		c.Why, err = s.words(key)
		return err
	}
	return s.skip()
}

// text is the field of a key whose value is a text; nil for another key.
func (c *Click) text(key string) *string {
	switch key {
	case "id":
		return &c.ID
	case "host":
		return &c.Host
	case "path":
		return &c.Path
	case "query":
		return &c.Query
	case "method":
		return &c.Method
	case "proto":
		return &c.Proto
	case "scheme":
		return &c.Scheme
	case "outcome":
		return &c.Outcome
	case "url":
		return &c.URL
	case "site":
		return &c.Site
	case "slug":
		return &c.Slug
	case "program":
		return &c.Program
	case "partner":
		return &c.Partner
	case "variant":
		return &c.Variant
	case "rule":
		return &c.Rule
	case "page":
		return &c.Page
	case "visitor":
		return &c.Visitor
	case "ip":
		return &c.IP
	case "country":
		return &c.Country
	}
	return c.header(key)
}

// header is the field of a key that stands for a request header.
func (c *Click) header(key string) *string {
	switch key {
	case "agent":
		return &c.Agent
	case "referrer":
		return &c.Referrer
	case "language":
		return &c.Language
	case "accept":
		return &c.Accept
	case "dnt":
		return &c.DNT
	case "gpc":
		return &c.GPC
	case "sec_purpose":
		return &c.SecPurpose
	case "purpose":
		return &c.Purpose
	case "x_purpose":
		return &c.XPurpose
	case "x_moz":
		return &c.XMoz
	case "fetch_dest":
		return &c.FetchDest
	case "fetch_mode":
		return &c.FetchMode
	case "fetch_site":
		return &c.FetchSite
	case "fetch_user":
		return &c.FetchUser
	case "hints":
		return &c.Hints
	case "hint_mobile":
		return &c.HintMobile
	}
	return nil
}

// wrongKind takes a value that is of another kind than it should be: text that is no JSON
// at all is told first.
func (s *scanner) wrongKind(key, want string) error {
	if err := s.skip(); err != nil {
		return err
	}
	return faultf(key, "%s", want)
}

// integer takes a number that is not negative, written as one or as a text.
func (s *scanner) integer(key string) (n int64, err error) {
	const want = "a whole number is wanted, 0 or more"
	var digits string
	switch c := s.peek(); {
	case c == '"':
		digits, err = s.text()
	case c == 'n':
		_, err = s.word()
	case c == '-' || '0' <= c && c <= '9':
		if digits, err = s.number(); err == nil && digits == "" {
			return 0, faultf(key, want)
		}
	default:
		return 0, s.wrongKind(key, want)
	}
	if err != nil || digits == "" {
		return 0, err
	}
	if n, err = strconv.ParseInt(digits, 10, 64); err != nil || n < 0 || digits[0] == '+' || digits[0] == '-' {
		return 0, faultf(key, want)
	}
	return n, nil
}

// truth takes true or false, also as 1 or 0, also as a text.
func (s *scanner) truth(key string) (on bool, err error) {
	var text string
	switch c := s.peek(); {
	case c == '"':
		text, err = s.text()
	case c == '-' || '0' <= c && c <= '9':
		text, err = s.number()
	case c == '{' || c == '[':
		return false, s.wrongKind(key, "true or false is wanted")
	default:
		text, err = s.word()
	}
	if err != nil {
		return false, err
	}
	switch text {
	case "1", "true":
		return true, nil
	case "0", "false", "", "null":
		return false, nil
	}
	return false, faultf(key, "true or false is wanted, or 1 or 0, not %q", clip(text))
}

// words takes a list of texts, or one text with commas, which it returns.
func (s *scanner) words(key string) (string, error) {
	switch s.peek() {
	case '"':
		return s.text()
	case 'n':
		_, err := s.word()
		return "", err
	case '[':
	default:
		return "", s.wrongKind(key, "a list of texts is wanted")
	}
	var joined []byte
	err := s.list(func() error {
		if s.peek() != '"' {
			return s.wrongKind(key, "a list of texts is wanted")
		}
		word, err := s.text()
		if len(joined) > 0 {
			joined = append(joined, ',')
		}
		joined = append(joined, word...)
		return err
	})
	return string(joined), err
}
