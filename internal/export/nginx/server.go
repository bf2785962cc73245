package nginx

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
)

// StatusPath is where nginx tells which export it serves.
const StatusPath = "/.well-known/sluice-export"

// writeServer writes the locations of every prefix.
func (t *Target) writeServer(b *bufio.Writer, w *writer) error {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(b, format, args...) } // the writer keeps its first error
	say("# Made by sluice export nginx; changes are overwritten. Include it in each server { } that serves links.\n")
	var prefixes []string
	for _, s := range w.siteList {
		prefixes = append(prefixes, s.Prefix)
	}
	slices.Sort(prefixes)
	body := fmt.Sprintf(steps, t.options.Log, pageBlocked, pageMissing)
	if len(prefixes) == 0 {
		// Nobody gets here; but the variables of the other file are defined by it.
		say("\nlocation @sluice {\n%s}\n", body)
	}
	for _, p := range slices.Compact(prefixes) {
		if p == "/" {
			say("\nlocation / {\n%s}\n", body)
			continue
		}
		say("\nlocation ^~ %s {\n%s}\n", p, body)
		say("\n# The same in other spellings.\nlocation ~* \"^%s(?:/|$)\" {\n%s}\n", strings.TrimSuffix(p, "/"), body)
	}
	return b.Flush()
}

// serverTrailer tells at StatusPath which export it is. It is not in the sum: it has the time in it.
func (w *writer) serverTrailer(sum string) string {
	return fmt.Sprintf("\nlocation = %s {\n\taccess_log off;\n\tdefault_type text/plain;\n\treturn 200 \"%s\\n\";\n}\n", StatusPath, strings.TrimSpace(w.httpTrailer)) + w.trailer(sum)
}
