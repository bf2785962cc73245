package commission

import "github.com/sluicehq/sluice/internal/affiliate"

// sharesExplained bounds how many shares an explanation names one by one.
const sharesExplained = 50

// share gives each credit its part of what the whole order earns by its terms, and sums
// what is given. Where all earn the same, the parts sum to it exactly.
func share(f *Facts, o *order, credits []credit, priced []earnings, x *explanation) ([]Share, affiliate.Money) {
	total := money(0, f.Settlement.Currency)
	weights, sum := make([]uint32, len(credits)), uint64(0)
	for i, c := range credits {
		weights[i] = c.weight
		sum += uint64(c.weight)
	}
	splits := map[int64][]affiliate.Money{}
	var shares []Share
	for i, c := range credits {
		whole := priced[i].amount
		if splits[whole] == nil {
			splits[whole] = money(whole, total.Currency).Split(weights)
		}
		part := splits[whole][i]
		total = total.Add(part)
		kept := f.Side == affiliate.Pays && c.partner == ""
		if i < sharesExplained {
			x.say("share", "%s, weight %d of %d: %s of %s%s", c, c.weight, sum, part, money(whole, total.Currency), keptBy(kept))
		}
		if part.Minor == 0 || kept {
			continue
		}
		shares = append(shares, Share{Partner: c.partner, ClickID: c.clickID, Weight: c.weight, Amount: part, Terms: priced[i].from, Rate: priced[i].rate})
	}
	if more := len(credits) - sharesExplained; more > 0 {
		x.say("share", "%d more touches have their parts in the same way", more)
	}
	if len(credits) > 0 {
		x.say("commission", "the order of %s earns %s", o.left, total)
	}
	return shares, total
}

func keptBy(merchant bool) string {
	if merchant {
		return ", which stays with the merchant"
	}
	return ""
}
