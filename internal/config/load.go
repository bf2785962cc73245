package config

import (
	"encoding"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// FileBytesMax is the length limit of a configuration file.
const FileBytesMax = 1 << 20

// Source is where Load takes values from, besides the defaults.
type Source struct {
	// File is the configuration file; empty: none.
	File string
	// Environ is the environment as os.Environ returns it; nil: none.
	Environ []string
	// Flags are values given on the command line, by path.
	Flags map[string]string
}

// clientVariables are names in the environment that are the command line's, not
// the configuration's.
var clientVariables = []string{"SLUICE_URL", "SLUICE_TOKEN", "SLUICE_CONFIG"}

// Load puts the configuration together and checks it. The error is an *Error, or
// says that the file cannot be read.
func Load(from Source) (Config, error) {
	l := loader{config: Default(), places: map[string]string{}}
	if from.File != "" {
		text, err := readFile(from.File)
		if err != nil {
			return Config{}, err
		}
		l.file(text)
	}
	l.environment(from.Environ)
	for _, path := range sortedKeys(from.Flags) {
		l.one(path, "--"+path[strings.LastIndexByte(path, '.')+1:], []string{from.Flags[path]})
	}
	if err := l.finish(); err != nil {
		err.File = from.File
		return Config{}, err
	}
	return l.config, nil
}

func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err == nil && info.Size() > FileBytesMax {
		err = fmt.Errorf("it has %d bytes; a configuration has at most %d", info.Size(), FileBytesMax)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration %s: %w; give the right file with --config, or leave it out for the defaults", name, err)
	}
	return text, nil
}

// loader fills a tree and remembers where each value came from.
type loader struct {
	config Config
	places map[string]string // by path
	faults []Fault
}

func (l *loader) fault(path, place, format string, args ...any) {
	l.faults = append(l.faults, Fault{Path: path, Place: place, Message: fmt.Sprintf(format, args...)})
}

// finish checks the tree as a whole. A value that could not be read is reported
// once.
func (l *loader) finish() *Error {
	for _, f := range l.config.readSecrets() {
		l.fault(f.Path, l.placeOf(f.Path), "%s", f.Message)
	}
	var invalid *Error
	if errors.As(l.config.Validate(), &invalid) {
		unread := l.faults
		for _, f := range invalid.Faults {
			if !slices.ContainsFunc(unread, func(known Fault) bool { return known.Path == f.Path }) {
				f.Place = l.placeOf(f.Path)
				l.faults = append(l.faults, f)
			}
		}
	}
	if len(l.faults) == 0 {
		return nil
	}
	sort.SliceStable(l.faults, func(i, j int) bool { return lineOf(l.faults[i].Place) < lineOf(l.faults[j].Place) })
	return &Error{Faults: l.faults}
}

// placeOf is where a value came from, or else the list item or group that lacks it.
func (l *loader) placeOf(path string) string {
	for {
		if place := l.places[path]; place != "" {
			return place
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return ""
		}
		path = path[:i]
	}
}

// lineOf sorts the file's faults by line, before those from elsewhere.
func lineOf(place string) int {
	if n, err := strconv.Atoi(strings.TrimPrefix(place, "line ")); err == nil {
		return n
	}
	return FileBytesMax + 1
}

func (l *loader) file(text []byte) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		l.fault("", "", "it is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
		return
	}
	if len(doc.Content) == 0 {
		return // empty, or comments only
	}
	l.tree("", doc.Content[0], reflect.ValueOf(&l.config).Elem())
}

// tree fills a struct from a mapping.
func (l *loader) tree(path string, n *yaml.Node, into reflect.Value) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.MappingNode {
		l.fault(path, place(n), "%s does not belong here; write its keys below it, each on a line of its own", kindOf(n))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := join(path, key.Value)
		field, ok := fieldNamed(into, key.Value)
		switch {
		case !ok:
			l.fault(at, place(key), "there is no such key%s", suggestion(at))
		case seen[key.Value]:
			l.fault(at, place(key), "it is there twice")
		case isTree(field):
			l.tree(at, value, field)
		default:
			l.value(at, value)
		}
		seen[key.Value] = true
	}
}

// value reads a leaf: a scalar, a list of scalars, or a list of groups.
func (l *loader) value(path string, n *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null": // keeps the default
	case n.Kind == yaml.ScalarNode:
		l.one(path, place(n), []string{n.Value})
	case n.Kind == yaml.SequenceNode && hasGroups(leaf(&l.config, path), n):
		l.groups(path, n)
	case n.Kind == yaml.SequenceNode && leaf(&l.config, path).Kind() == reflect.Slice:
		texts := []string{}
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode {
				l.fault(path, place(item), "%s does not belong into this list", kindOf(item))
				return
			}
			texts = append(texts, item.Value)
		}
		l.one(path, place(n), texts)
	default:
		l.fault(path, place(n), "%s does not belong here; it takes one value", kindOf(n))
	}
}

// hasGroups says that a list is written as groups of keys, and may be.
func hasGroups(v reflect.Value, n *yaml.Node) bool {
	isGroup := func(item *yaml.Node) bool { return item.Kind == yaml.MappingNode }
	return v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct && slices.ContainsFunc(n.Content, isGroup)
}

// groups reads a list of groups of keys.
func (l *loader) groups(path string, n *yaml.Node) {
	list := leaf(&l.config, path)
	list.Set(reflect.MakeSlice(list.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		l.places[at] = place(item)
		l.tree(at, item, list.Index(i))
	}
}

// one sets the value at a path. A list may come as one text with commas.
func (l *loader) one(path, from string, texts []string) {
	l.places[path] = from
	if err := set(leaf(&l.config, path), texts); err != nil {
		l.fault(path, from, "%s", err)
	}
}

// environment reads the variables that name a key. Others that begin with
// SLUICE_ may be anybody's, such as those that Kubernetes makes for a service of
// that name, and are refused only where they look like a slip.
func (l *loader) environment(environ []string) {
	byName := map[string]string{}
	var names []string
	for _, path := range Paths() {
		name := Variable(path)
		byName[name] = path
		names = append(names, name)
	}
	environ = slices.Clone(environ)
	slices.Sort(environ)
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "SLUICE_") || slices.Contains(clientVariables, name) {
			continue
		}
		if path, ok := byName[name]; ok {
			l.one(path, name, []string{value})
		} else if near := nearest(name, names, 2); near != "" {
			l.fault("", name, "there is no such variable; did you mean %s?", near)
		}
	}
}

// Variable is the name of the environment variable for a path.
func Variable(path string) string {
	return "SLUICE_" + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// Paths lists every key, such as journal.segment_bytes.
func Paths() []string {
	var paths []string
	var walk func(path string, t reflect.Value)
	walk = func(path string, v reflect.Value) {
		for i := range v.NumField() {
			at := join(path, v.Type().Field(i).Tag.Get("yaml"))
			if isTree(v.Field(i)) {
				walk(at, v.Field(i))
			} else {
				paths = append(paths, at)
			}
		}
	}
	walk("", reflect.ValueOf(Config{}))
	return paths
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func isTree(v reflect.Value) bool { return v.Kind() == reflect.Struct }

func fieldNamed(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == key {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// leaf finds the value at a path that exists.
func leaf(c *Config, path string) reflect.Value {
	v := reflect.ValueOf(c).Elem()
	for key := range strings.SplitSeq(path, ".") {
		name, index, isItem := strings.Cut(key, "[")
		var ok bool
		if v, ok = fieldNamed(v, name); !ok {
			panic(fmt.Sprintf("BUG: there is no configuration key %q", path))
		}
		if isItem {
			n, _ := strconv.Atoi(strings.TrimSuffix(index, "]")) // groups has made it
			v = v.Index(n)
		}
	}
	return v
}

// set gives a leaf the value that the text stands for.
func set(v reflect.Value, texts []string) error {
	switch list := v.Addr().Interface().(type) {
	case *[]netip.Prefix:
		return setPrefixes(list, texts)
	case *[]Certificate:
		return setCertificates(list, texts)
	case *[]string:
		*list = nil
		for _, text := range texts {
			*list = append(*list, words(text)...)
		}
		return nil
	}
	s := strings.TrimSpace(texts[0])
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(s))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Int:
		n, err := strconv.Atoi(s)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", s)
		}
		v.SetInt(int64(n))
	case reflect.Bool:
		switch strings.ToLower(s) {
		case "true", "yes", "on", "1":
			v.SetBool(true)
		case "false", "no", "off", "0":
			v.SetBool(false)
		default:
			return fmt.Errorf("%q is not true or false", s)
		}
	default:
		panic(fmt.Sprintf("BUG: a configuration value of kind %s", v.Kind()))
	}
	return nil
}

func setPrefixes(list *[]netip.Prefix, texts []string) error {
	var out []netip.Prefix
	for _, text := range texts {
		for _, s := range words(text) {
			p, err := netip.ParsePrefix(s)
			if err != nil {
				a, addrErr := netip.ParseAddr(s)
				if addrErr != nil {
					return fmt.Errorf("%q is not an address or a range such as 10.0.0.0/8", s)
				}
				p = netip.PrefixFrom(a, a.BitLen())
			}
			out = append(out, p.Masked())
		}
	}
	*list = out
	return nil
}

func setCertificates(list *[]Certificate, texts []string) error {
	var out []Certificate
	for _, text := range texts {
		for _, s := range words(text) {
			var c Certificate
			if err := c.UnmarshalText([]byte(s)); err != nil {
				return err
			}
			out = append(out, c)
		}
	}
	*list = out
	return nil
}

// words are the items of a list in one text.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

func place(n *yaml.Node) string { return "line " + strconv.Itoa(n.Line) }

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a group of keys"
	case yaml.SequenceNode:
		return "a list"
	}
	return "the single value " + strconv.Quote(n.Value)
}

// suggestion names the key that was probably meant: one that is spelled nearly
// so, or the same word in another place of the tree.
func suggestion(path string) string {
	if near := nearest(path, Paths(), 2+len(path)/8); near != "" {
		return "; did you mean " + near + "?"
	}
	word := path[strings.LastIndexByte(path, '.')+1:]
	for _, p := range Paths() {
		if last := p[strings.LastIndexByte(p, '.')+1:]; nearest(word, []string{last}, 1) != "" {
			return "; did you mean " + p + "?"
		}
	}
	return ""
}

// nearest returns the word with the fewest edits to s, at most max, or "".
func nearest(s string, words []string, max int) string {
	best, found := max+1, ""
	for _, w := range words {
		if d := edits(s, w); d < best {
			best, found = d, w
		}
	}
	return found
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
