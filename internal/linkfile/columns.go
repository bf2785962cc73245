package linkfile

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// row is a link while the cells of its line come in, in any order.
type row struct {
	link  affiliate.Link
	first affiliate.Destination
	more  []affiliate.Destination // from "variants"
	extra []affiliate.Destination // from url2, url3, …; at index 0 is url2
	set   bool                    // a weight was given somewhere
	geo   []affiliate.Rule
}

// finish puts the destinations together. Without any weight they share evenly.
func (w *row) finish() affiliate.Link {
	l := &w.link
	l.Destinations = append(make([]affiliate.Destination, 0, 1+len(w.more)+len(w.extra)), w.first)
	l.Destinations = append(l.Destinations, w.more...)
	for _, d := range w.extra {
		if d.URL != "" || d.Weight != 0 {
			l.Destinations = append(l.Destinations, d)
		}
	}
	if !w.set && len(l.Destinations) > 1 {
		for i := range l.Destinations {
			l.Destinations[i].Weight = 1
		}
	}
	l.Rules = append(l.Rules, w.geo...)
	return *l
}

// column is one column that CSV files may have and ours do.
type column struct {
	name string
	set  func(w *row, text string) error
	get  func(l *affiliate.Link) (string, error)
}

// columns in the order in which the writer writes them.
var columns = []column{
	{"slug", func(w *row, s string) error { w.link.Slug = s; return nil }, text(func(l *affiliate.Link) string { return l.Slug })},
	{"url", func(w *row, s string) error { w.first.URL = s; return nil }, getURL},
	{"site", func(w *row, s string) error { w.link.Site = s; return nil }, text(func(l *affiliate.Link) string { return l.Site })},
	{"status", func(w *row, s string) error { w.link.Status = affiliate.Status(strings.ToLower(s)); return nil },
		text(func(l *affiliate.Link) string { return string(l.Status) })},
	{"code", func(w *row, s string) error { return setInt(&w.link.Code, s) }, text(func(l *affiliate.Link) string { return number(l.Code) })},
	{"program", func(w *row, s string) error { w.link.Program = s; return nil }, text(func(l *affiliate.Link) string { return l.Program })},
	{"partner", func(w *row, s string) error { w.link.Partner = s; return nil }, text(func(l *affiliate.Link) string { return l.Partner })},
	{"tags", func(w *row, s string) error { w.link.Tags = splitList(s); return nil }, text(func(l *affiliate.Link) string { return joinList(l.Tags) })},
	{"page", func(w *row, s string) error { w.link.Page = s; return nil }, text(func(l *affiliate.Link) string { return l.Page })},
	{"note", func(w *row, s string) error { w.link.Note = s; return nil }, text(func(l *affiliate.Link) string { return l.Note })},
	{"starts_at", func(w *row, s string) error { return setTime(&w.link.StartsAt, s) }, text(func(l *affiliate.Link) string { return formatTime(l.StartsAt) })},
	{"ends_at", func(w *row, s string) error { return setTime(&w.link.EndsAt, s) }, text(func(l *affiliate.Link) string { return formatTime(l.EndsAt) })},
	{"cap", setCap, text(formatCap)},
	{"fallback", func(w *row, s string) error { w.link.Fallback = s; return nil }, text(func(l *affiliate.Link) string { return l.Fallback })},
	{"query", setQuery, text(formatQuery)},
	{"weight", setWeight, text(func(l *affiliate.Link) string { return number(l.Destinations[0].Weight) })},
	{"variant", func(w *row, s string) error { w.first.ID = s; return nil }, text(func(l *affiliate.Link) string { return l.Destinations[0].ID })},
	{"variants", setVariants, formatVariants},
	{"rules", setRules, formatRules},
	{"deep_link", func(w *row, s string) error { return setBool(&w.link.DeepLink, s) }, text(func(l *affiliate.Link) string { return yes(l.DeepLink) })},
	{"sub_id", setSubID, text(formatSubID)},
	{"block_bots", func(w *row, s string) error { return setBool(&w.link.BlockBots, s) }, text(func(l *affiliate.Link) string { return yes(l.BlockBots) })},
}

// ColumnNames lists the columns of the CSV format; slug and url must be there.
func ColumnNames() []string {
	names := make([]string, len(columns))
	for i := range columns {
		names[i] = columns[i].name
	}
	return names
}

func text(get func(l *affiliate.Link) string) func(l *affiliate.Link) (string, error) {
	return func(l *affiliate.Link) (string, error) { return get(l), nil }
}

// foreign are the columns of ThirstyAffiliates' own export. The empty name means
// that the column has no meaning here.
var foreign = map[string]string{
	"link_name": "note", "destination_url": "url", "categories": "tags", "images": "", "autolinker_keywords": "",
}

// columnsOf finds the meaning of each name of a header.
func columnsOf(names []string) (cells []cell, notes []string, err error) {
	cells = make([]cell, len(names))
	seen := map[string]bool{}
	var unknown, twice []string
	for i, name := range names {
		c, ok := columnNamed(headerKey(name))
		switch {
		case !ok && strings.TrimSpace(name) == "":
			unknown = append(unknown, fmt.Sprintf("column %d without a name", i+1))
		case !ok:
			unknown = append(unknown, strconv.Quote(name))
		case c.set == nil:
			notes = append(notes, fmt.Sprintf("the column %q has no meaning here and is not used", name))
		case seen[c.name]:
			twice = append(twice, strconv.Quote(name))
		}
		seen[c.name] = ok
		cells[i] = c
	}
	var faults []affiliate.Fault
	add := func(format string, args ...any) {
		faults = append(faults, affiliate.Fault{Message: fmt.Sprintf(format, args...)})
	}
	if len(unknown) > 0 {
		add("unknown: %s", strings.Join(unknown, ", "))
	}
	if len(twice) > 0 {
		add("there twice: %s", strings.Join(twice, ", "))
	}
	for _, name := range []string{"slug", "url"} {
		if !seen[name] {
			add("missing: %s", name)
		}
	}
	if len(faults) == 0 {
		return cells, notes, nil
	}
	add("known columns: %s, url2, weight2, url3, …", strings.Join(ColumnNames(), ", "))
	return nil, nil, &affiliate.Error{Code: affiliate.Invalid, Message: "the header on the first line does not name the columns of links", Faults: faults}
}

// headerKey folds the spellings of a column's name: "Geolocation links (CC:url;)"
// is geolocation_links.
func headerKey(name string) string {
	if i := strings.IndexByte(name, '('); i > 0 {
		name = name[:i]
	}
	return strings.Join(strings.Fields(strings.ToLower(strings.ReplaceAll(name, "_", " "))), "_")
}

func columnNamed(key string) (cell, bool) {
	if own, ok := foreign[key]; ok {
		if own == "" {
			return cell{name: key}, true
		}
		key = own
	}
	if key == "geolocation_links" {
		return cell{key, setGeolocation}, true
	}
	for i := range columns {
		if columns[i].name == key {
			return cell{key, columns[i].set}, true
		}
	}
	return numberedColumn(key)
}

// numberedColumn is url2 to url64 and weight2 to weight64.
func numberedColumn(key string) (cell, bool) {
	for _, kind := range []string{"url", "weight"} {
		digits, ok := strings.CutPrefix(key, kind)
		n, err := strconv.Atoi(strings.TrimPrefix(digits, "_"))
		if !ok || err != nil || n < 2 || n > affiliate.DestinationsMax {
			continue
		}
		name := kind + strconv.Itoa(n)
		return cell{name, func(w *row, s string) error {
			for len(w.extra) < n-1 {
				w.extra = append(w.extra, affiliate.Destination{})
			}
			d := &w.extra[n-2]
			if kind == "url" {
				d.URL = s
				return nil
			}
			w.set = true
			return setInt(&d.Weight, s)
		}}, true
	}
	return cell{}, false
}

func getURL(l *affiliate.Link) (string, error) {
	if len(l.Destinations) == 0 {
		return "", fmt.Errorf("the link has no destination")
	}
	return l.Destinations[0].URL, nil
}

func setWeight(w *row, s string) error {
	w.set = true
	return setInt(&w.first.Weight, s)
}

// setVariants reads the destinations after the first, "[[ID ]WEIGHT ]URL | …".
// Neither URLs nor names may contain spaces or bars.
func setVariants(w *row, s string) error {
	for part := range strings.SplitSeq(s, "|") {
		words := strings.Fields(part)
		d := affiliate.Destination{Weight: 1}
		switch len(words) {
		case 3:
			d.ID = words[0]
		case 2, 1:
		default:
			return fmt.Errorf("%q is not a variant; write WEIGHT URL or NAME WEIGHT URL, with | between variants", strings.TrimSpace(part))
		}
		d.URL = words[len(words)-1]
		if len(words) > 1 {
			w.set = true
			if err := setInt(&d.Weight, words[len(words)-2]); err != nil {
				return fmt.Errorf("the variant %q: the weight %w", strings.TrimSpace(part), err)
			}
		}
		w.more = append(w.more, d)
	}
	return nil
}

func formatVariants(l *affiliate.Link) (string, error) {
	if len(l.Destinations) == 1 {
		return "", nil
	}
	var b strings.Builder
	for i, d := range l.Destinations[1:] {
		if len(strings.Fields(d.URL)) != 1 || strings.ContainsAny(d.URL+d.ID, "| \t\r\n") || strings.TrimSpace(d.URL) != d.URL {
			return "", fmt.Errorf("the variant %q contains a space or a bar", d.URL)
		}
		if i > 0 {
			b.WriteString(" | ")
		}
		if d.ID != "" {
			b.WriteString(d.ID + " ")
		}
		b.WriteString(strconv.Itoa(d.Weight) + " " + d.URL)
	}
	return b.String(), nil
}

func setRules(w *row, s string) error {
	d := json.NewDecoder(strings.NewReader(s))
	d.DisallowUnknownFields()
	if err := d.Decode(&w.link.Rules); err != nil {
		return fmt.Errorf("it is not a JSON list of rules: %w", jsonFault(err))
	}
	if d.More() {
		return fmt.Errorf("there is something after the JSON list of rules")
	}
	return nil
}

func formatRules(l *affiliate.Link) (string, error) {
	if len(l.Rules) == 0 {
		return "", nil
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(l.Rules)
	return strings.TrimSpace(b.String()), err
}

// setGeolocation reads ThirstyAffiliates' "DE:https://…;US,CA:https://…" as one
// rule each.
func setGeolocation(w *row, s string) error {
	var rule *affiliate.Rule
	for part := range strings.SplitSeq(s, ";") {
		codes, url, found := strings.Cut(part, ":")
		countries := strings.Split(strings.ToUpper(codes), ",")
		if isCountries := found && len(strings.TrimSpace(countries[0])) == 2; !isCountries {
			if strings.TrimSpace(part) == "" {
				continue
			}
			if rule == nil {
				return fmt.Errorf("%q is not COUNTRY:URL, such as DE:https://shop.example/de", part)
			}
			rule.Destinations[0].URL += ";" + part // the ; belonged to the URL
			continue
		}
		for i := range countries {
			countries[i] = strings.TrimSpace(countries[i])
		}
		w.geo = append(w.geo, affiliate.Rule{
			When:         []affiliate.Condition{{On: affiliate.OnCountry, In: countries}},
			Destinations: []affiliate.Destination{{URL: strings.TrimSpace(url), Weight: 1}},
		})
		rule = &w.geo[len(w.geo)-1]
	}
	return nil
}

// setQuery reads "drop", "pass" or "only:NAME;NAME".
func setQuery(w *row, s string) error {
	mode, names, _ := strings.Cut(s, ":")
	w.link.Query = affiliate.QueryPolicy{Mode: affiliate.QueryMode(strings.ToLower(strings.TrimSpace(mode))), Names: splitList(names)}
	return nil
}

func formatQuery(l *affiliate.Link) string {
	if len(l.Query.Names) == 0 {
		return string(l.Query.Mode)
	}
	return string(l.Query.Mode) + ":" + joinList(l.Query.Names)
}

// setSubID reads "off", "PARAM" or "PARAM=VALUE".
func setSubID(w *row, s string) error {
	if s == "off" {
		w.link.SubID = &affiliate.SubID{Off: true}
		return nil
	}
	param, value, _ := strings.Cut(s, "=")
	w.link.SubID = &affiliate.SubID{Param: param, Value: value}
	return nil
}

func formatSubID(l *affiliate.Link) string {
	switch s := l.SubID; {
	case s == nil:
		return ""
	case s.Off:
		return "off"
	case s.Value == "" && s.Param != "off":
		return s.Param
	default:
		return s.Param + "=" + s.Value
	}
}

// setCap reads "1000/day" or "1000/day@Europe/Berlin".
func setCap(w *row, s string) (err error) {
	w.link.Cap, err = affiliate.ParseClickCap(s)
	return err
}

func formatCap(l *affiliate.Link) string {
	if l.Cap == nil {
		return ""
	}
	return l.Cap.String()
}

// splitList cuts at semicolons; "\;" is a semicolon in a name, "\\" a backslash.
func splitList(s string) []string {
	if !strings.Contains(s, `\`) {
		var out []string
		for part := range strings.SplitSeq(s, ";") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
		return out
	}
	var out []string
	var b strings.Builder
	end := func() {
		if part := strings.TrimSpace(b.String()); part != "" {
			out = append(out, part)
		}
		b.Reset()
	}
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == ';':
			end()
		default:
			b.WriteByte(s[i])
		}
	}
	end()
	return out
}

var escapeList = strings.NewReplacer(`\`, `\\`, `;`, `\;`)

func joinList(list []string) string {
	parts := make([]string, len(list))
	for i, s := range list {
		parts[i] = escapeList.Replace(s)
	}
	return strings.Join(parts, ";")
}

func setInt(to *int, s string) error {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		return fmt.Errorf("%q is not a whole number", s)
	}
	*to = n
	return nil
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func setBool(to *bool, s string) error {
	switch strings.ToLower(s) {
	case "true", "yes", "1":
		*to = true
	case "false", "no", "0":
		*to = false
	default:
		return fmt.Errorf("%q is not one of true, false", s)
	}
	return nil
}

func yes(b bool) string {
	if b {
		return "true"
	}
	return ""
}

// timeLayouts that are read; those without a zone are UTC.
var timeLayouts = []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"}

func setTime(to **time.Time, s string) error {
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, strings.TrimSpace(s)); err == nil {
			*to = &t
			return nil
		}
	}
	return fmt.Errorf("%q is not a time; write 2026-11-20, 2026-11-20 13:00 (UTC) or 2026-11-20T13:00:00+01:00", s)
}

func formatTime(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}
