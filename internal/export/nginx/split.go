package nginx

import (
	"fmt"
	"strings"

	"github.com/sluicehq/sluice/internal/routing"
)

// split returns a variable whose value is the index of the destination that a visitor gets. key is
// of split_clients: the same visitor gets the same. Links with the same weights share
// the variable, and not the choice, because the link is in the key. lost are the destinations whose share is too small for nginx.
func (w *writer) split(targets []routing.Target, second bool) (name string, lost []string) {
	total := 0
	for i := range targets {
		if !(second && targets[i].Down) {
			total += targets[i].Weight
		}
	}
	type share struct{ index, parts int }
	var shares []share
	sum, before := 0, 0
	for i := range targets {
		if second && targets[i].Down || targets[i].Weight == 0 {
			continue
		}
		// nginx counts hundredths of a percent; the rounding is of the sums, so that it does not add up.
		sum += targets[i].Weight
		upTo := (sum*20000 + total) / (2 * total)
		if upTo == before {
			lost = append(lost, targets[i].ID)
			continue
		}
		shares = append(shares, share{i, upTo - before})
		before = upTo
	}
	var b strings.Builder
	attempt, letter := "", "s"
	if second {
		attempt, letter = "~", "t"
	}
	for i, s := range shares {
		if i == len(shares)-1 {
			fmt.Fprintf(&b, "\t* %s%d;\n", attempt, s.index)
		} else {
			fmt.Fprintf(&b, "\t%d.%02d%% %s%d;\n", s.parts/100, s.parts%100, attempt, s.index)
		}
	}
	if known, ok := w.splits[b.String()]; ok {
		return known, lost
	}
	name = w.variable(letter)
	w.splits[b.String()] = name
	w.blocks = append(w.blocks, fmt.Sprintf("split_clients \"${sluice_who}|${sluice_link}|${sluice_choice}%s\" $%s {\n%s}\n", attempt, name, b.String())...)
	return name, lost
}
