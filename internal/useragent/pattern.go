package useragent

import (
	"strings"
)

// A Pattern is a regular expression in the words of PCRE, to be matched without regard to
// the case of letters, that finds in a user agent what Class finds: a web server that cannot
// call Class can still tell the classes apart. The limit of 1024 bytes is not in it.
type Pattern struct {
	Device Device
	Text   string
}

// DeclaredBots are patterns of which one matches a user agent that announces itself as a
// crawler, a preview or a monitor: Class says Bot, and Classify that it is no tool.
func DeclaredBots() []string { return patterns(bot) }

// DevicePatterns are patterns in the order of rule 3 of Class: the first that matches tells the
// class. The hint "?1" means Phone where none of the patterns in before matches, and comes
// before those in after. Without a match the class is Other.
func DevicePatterns() (before, after []Pattern) {
	add := func(list []Pattern, d Device, wanted flag) []Pattern {
		for _, text := range patterns(wanted) {
			list = append(list, Pattern{d, text})
		}
		return list
	}
	before = add(before, Bot, bot)
	before = add(before, Bot, tool)
	before = add(before, TV, tv)
	before = add(before, Tablet, tablet)
	before = add(before, Phone, phone)
	after = add(after, Tablet, android)
	after = add(after, Desktop, desktop)
	return before, after
}

// patternBytesMax keeps a pattern within what nginx reads as one word.
const patternBytesMax = 3000

// patterns are the expressions for the tokens with a flag: one, or several when one would be
// too long; then any of them may match.
func patterns(wanted flag) []string {
	var all []int
	for i, t := range tokens {
		if t.flag&wanted != 0 {
			all = append(all, i)
		}
	}
	if text := pattern(all); len(text) <= patternBytesMax || len(all) == 1 {
		return []string{text}
	}
	half := len(all) / 2
	return []string{pattern(all[:half]), pattern(all[half:])}
}

// pattern walks as scan does: at each byte the first token that fits is taken, and behind it
// the walk goes on. A wanted token sets the empty group 1; the group is asked for at the end.
// Only tokens that can keep a wanted one from being taken are in it.
func pattern(wanted []int) string {
	in := map[int]bool{}
	isWanted := map[int]bool{}
	for _, i := range wanted {
		in[i], isWanted[i] = true, true
	}
	for grown := true; grown; {
		grown = false
		for i := range tokens {
			if !in[i] && hinders(i, in) {
				in[i], grown = true, true
			}
		}
	}
	groups, order := map[byte][]string{}, ""
	for i, t := range tokens {
		if !in[i] {
			continue
		}
		if groups[t.text[0]] == nil {
			order += t.text[:1]
		}
		text := t.expression()
		if isWanted[i] {
			text += "()"
		}
		groups[t.text[0]] = append(groups[t.text[0]], text)
	}
	var b strings.Builder
	b.WriteString("^(?>[^" + escapeClass(order) + "]++|(?|")
	for i := range len(order) {
		if i > 0 {
			b.WriteByte('|')
		}
		b.WriteString("(?=" + escape(order[i:i+1]) + ")(?|" + strings.Join(groups[order[i]], "|") + ")")
	}
	b.WriteString(`)|.)*+\1`)
	return b.String()
}

// hinders says that a token, when it is taken, can hide the begin of one that is in the set.
func hinders(i int, in map[int]bool) bool {
	for k := range tokens {
		if !in[k] || k == i {
			continue
		}
		for from := range len(tokens[i].text) {
			if tokens[i].hides(&tokens[k], from) {
				return true
			}
		}
	}
	return false
}

// hides says that the other token may begin within this one, at an offset.
func (t *token) hides(other *token, from int) bool {
	rest := t.text[from:]
	switch {
	case from > 0 && (other.where&first != 0 || other.where&startOfWord != 0 && letter(t.text[from-1])):
		return false
	case strings.HasPrefix(rest, other.text):
		return other.where&endOfWord == 0 || rest == other.text || !letter(rest[len(other.text)])
	case strings.HasPrefix(other.text, rest):
		return t.where&endOfWord == 0 || !letter(other.text[len(rest)])
	}
	return false
}

func (t *token) expression() string {
	text := escape(t.text)
	if t.where&startOfWord != 0 {
		text = "(?<![a-z])" + text
	}
	if t.where&first != 0 {
		text = "^" + text
	}
	if t.where&endOfWord != 0 {
		text += "(?![a-z])"
	}
	return text
}

func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(`.()[]{}*+?^$|\/`, s[i]) >= 0 && s[i] != '/' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func escapeClass(s string) string {
	return strings.NewReplacer(`\`, `\\`, `]`, `\]`, `^`, `\^`, `-`, `\-`).Replace(s)
}

// PlainBrowser is a pattern for what nearly all people send: the user agents of the large browsers,
// in which no version and no system can spell a bot's word. It is quick, where those of
// DeclaredBots look at every byte; who matches need not be asked by them. Its letter case counts.
const PlainBrowser = `^Mozilla/5\.0 \((?:Windows NT 10\.0; Win64; x64|Macintosh; Intel Mac OS X [0-9_.]+|X11; (?:Ubuntu; )?Linux x86_64|Linux; Android [0-9.]+; K|` +
	`Android [0-9.]+; Mobile|(?:iPhone|iPad); CPU (?:iPhone )?OS [0-9_]+ like Mac OS X)(?:; rv:[0-9.]+)?\) ` +
	`(?:AppleWebKit/[0-9.]+ \(KHTML, like Gecko\)|Gecko/[0-9.]+)(?: (?:Version|Chrome|CriOS|Firefox|FxiOS|EdgA?|OPR|SamsungBrowser|Mobile|Safari)/[0-9]+[A-Z]?[0-9.]*| Mobile)*$`
