package store

import (
	"strings"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// tagSeparator stands before, between and behind the tags at the end of a SearchText.
const tagSeparator = "\x1f"

// SearchText is the text in which every engine searches a link: its slug, every URL, page and
// note, a line each, and its tags, all in lower case.
func SearchText(l *affiliate.Link) string {
	var b strings.Builder
	b.WriteString(l.Slug)
	line := func(s string) {
		if s != "" {
			b.WriteByte('\n')
			b.WriteString(strings.ReplaceAll(s, tagSeparator, " "))
		}
	}
	for _, d := range l.Destinations {
		line(d.URL)
	}
	for _, r := range l.Rules {
		for _, d := range r.Destinations {
			line(d.URL)
		}
	}
	line(l.Fallback)
	line(l.Page)
	line(l.Note)
	for _, tag := range l.Tags {
		b.WriteString(tagSeparator)
		b.WriteString(strings.ReplaceAll(tag, tagSeparator, " "))
	}
	if len(l.Tags) > 0 {
		b.WriteString(tagSeparator)
	}
	return strings.ToLower(b.String())
}

// SearchFor is what a SearchText with the text has within.
func SearchFor(text string) string { return strings.ToLower(text) }

// SearchForTag is what a SearchText with the tag has within.
func SearchForTag(tag string) string { return tagSeparator + strings.ToLower(tag) + tagSeparator }
