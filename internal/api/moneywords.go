package api

import "github.com/sluicehq/sluice/internal/affiliate"

const percentWords = "Share of the order's amount in millionths: 75000 is 7.5 %, 1000000 all of it."

// moneyWords are those of settlement; docs/settlement.md has the rules.
var moneyWords = map[string]words{
	"Settlement": {doc: "How a program's clicks become money.", required: none, fields: map[string]field{
		"currency": {doc: "ISO 4217 code of all its amounts. It cannot change.", example: "EUR"},
		"terms": {doc: "What is paid, in versions; one holds from its from until the next one's. What is in force cannot be changed or removed: " +
			"a change adds terms from now on."},
		"attribution":    {doc: "Whose click an order is."},
		"duplicates":     {doc: "What a second report of a transaction is: ignored, a new order, a new one held for a person, the latest word, an addition, one for each event.", example: "reject", values: texts(affiliate.DuplicateModes)},
		"minimum_payout": {doc: "Least amount that is paid out, in minor units; below it, a balance waits.", example: 5000},
		"confirm":        {doc: "Ask for a second person before a payout."},
		"static_token":   {doc: "The token in a postback's address is enough, without a signature."},
		"token_version":  {doc: "Raise it to make the addresses and the secret of postbacks worthless.", example: 1},
	}},
	"CommissionTerms": {doc: "What is paid for clicks from a moment on.", required: none, fields: map[string]field{
		"from":      {doc: "From when on they hold, cut to the second. Absent in the first: since ever.", example: "2026-12-01T00:00:00Z"},
		"rates":     {doc: "Tried in order; the first whose event, category and customer fit the order is paid. None: nothing."},
		"hold_days": {doc: "Days from the order until a commission may be approved, at most 400.", example: 30},
		"lock_day":  {doc: "Day of the month after the one in which the hold ends, 1 to 28, at whose begin (UTC) commissions are approved. 0: when the hold ends.", example: 10},
		"manual":    {doc: "Approve nothing by itself: the merchant or a person does."},
	}},
	"Rate": {doc: "What one kind of order earns: percent and fixed, added up.", required: none, fields: map[string]field{
		"event":    {doc: "Only orders with this event. Absent: any.", example: "sale"},
		"category": {doc: "Only orders of this category. Absent: any.", example: "lamps"},
		"customer": {doc: "Only orders of new or of returning customers. Absent: any.", values: anyOf("", string(affiliate.NewCustomer), string(affiliate.ReturningCustomer))},
		"percent":  {doc: percentWords, example: 75000},
		"fixed":    {doc: "Amount for each conversion, in minor units.", example: 500},
		"tiers":    {doc: "What replaces percent and fixed from a volume of the partner's calendar month on, lowest volume first."},
		"cap":      {doc: "Most that one conversion earns, in minor units. 0: no limit.", example: 10000},
		"orders":   {doc: "How many orders of a customer are paid. 0: all.", example: 12},
	}},
	"Tier": {doc: "What is paid from a volume on.", required: none, fields: map[string]field{
		"from":    {doc: "Volume of the partner's orders in the program, this calendar month (UTC) and before this order, in minor units.", example: 1000000},
		"percent": {doc: percentWords, example: 100000},
		"fixed":   {doc: "Amount for each conversion, in minor units."},
	}},
	"Attribution": {doc: "Whose click an order is.", fields: map[string]field{
		"model":          {doc: "All to the last click or the first; equal shares; more for later ones; 40 % each for the first and the last.", example: "last", values: texts(affiliate.Models)},
		"window_days":    {doc: "Days that a click counts for, 1 to 999; 30 by default.", example: 30},
		"half_life_days": {doc: "For decay: days in which a click loses half its weight; 7 by default.", example: 7},
		"coupon_first":   {doc: "Let a partner's coupon win over clicks."},
	}},
	"PayoutMethod": {doc: "How a partner gets its money.", required: none, fields: map[string]field{
		"kind":  {doc: "sepa needs name and iban, paypal an email; manual leaves it to a person.", example: "sepa", values: anyOf("sepa", "paypal", "manual")},
		"name":  {doc: "Holder of the account.", example: "Mia Muster"},
		"iban":  {doc: "Account for sepa. Spaces are ignored.", example: "DE89370400440532013000"},
		"bic":   {doc: "Bank of the account; not needed within SEPA.", example: "COBADEFFXXX"},
		"email": {doc: "Address of the PayPal account, or for notices.", example: "mia@blog.example"},
	}},
}

// texts are words as the framework compares them.
func texts[T ~string](words []T) []any {
	out := make([]any, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return out
}
