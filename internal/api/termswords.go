package api

import "github.com/sluicehq/sluice/internal/affiliate"

// The words of settlement; docs/settlement.md states each rule with an example.
var (
	settlementWords = words{doc: "How a program's clicks become money.", fields: map[string]field{
		"currency":       {doc: "ISO 4217 code of all its amounts.", example: "EUR"},
		"terms":          {doc: "Versions of what is paid; that in force at the click decides. What has begun cannot be changed: add a version."},
		"attribution":    {doc: "Whose click an order is."},
		"duplicates":     {doc: "What a second report of a transaction is.", example: "reject", values: anyOf(affiliate.DuplicateModes...)},
		"minimum_payout": {doc: "In minor units; a balance below it waits for the next payout.", example: 5000},
		"confirm":        {doc: "Whether a payout needs a second person."},
	}}
	termsWords = words{doc: "What is paid for clicks from a moment on.", fields: map[string]field{
		"from":      {doc: "From when on they hold; absent: since ever."},
		"rates":     {doc: "The first that fits an order is paid; none: nothing."},
		"hold_days": {doc: "Days from the order until its commission may be approved.", example: 30},
		"lock_day":  {doc: "Approve on this day of the month after the one in which the hold ends; absent: when it ends.", example: 5},
		"manual":    {doc: "Approve nothing by the clock: the merchant or a person does."},
	}}
	rateWords = words{doc: "What one kind of order earns.", fields: map[string]field{
		"event":    {doc: "Only orders of this event.", example: "sale"},
		"category": {doc: "Only orders of this category."},
		"customer": {doc: "Only orders of new, or of known customers.", values: anyOf("", string(affiliate.NewCustomer), string(affiliate.ReturningCustomer))},
		"percent":  {doc: "In millionths of the order: 75000 is 7.5 %.", example: 75000},
		"fixed":    {doc: "Minor units for each conversion, added to the percentage.", example: 100},
		"tiers":    {doc: "Replace percentage and fixed amount from a partner's volume of the month on."},
		"cap":      {doc: "The most that one conversion earns, in minor units; absent: no cap."},
		"orders":   {doc: "How many orders of a customer are paid; absent: all."},
	}}
	tierWords = words{doc: "What is paid from a volume on.", fields: map[string]field{
		"from":    {doc: "Minor units of the partner's orders of the calendar month (UTC), before this one.", example: 100000},
		"percent": {doc: "In millionths of the order."},
		"fixed":   {doc: "Minor units for each conversion."},
	}}
	attributionWords = words{doc: "Whose click an order is.", fields: map[string]field{
		"model":          {doc: "How a commission is shared among a visitor's clicks.", example: "last", values: anyOf(affiliate.Models...)},
		"window_days":    {doc: "Days that a click counts for.", example: 30},
		"half_life_days": {doc: "For decay: days in which a click's weight halves.", example: 7},
		"coupon_first":   {doc: "Whether a partner's coupon wins over clicks."},
	}}
	methodWords = words{doc: "How a partner is paid.", fields: map[string]field{
		"kind":  {doc: "The way.", example: "sepa", values: anyOf(affiliate.BySEPA, affiliate.ByPayPal, affiliate.ByHand)},
		"name":  {doc: "For sepa: the account's holder.", example: "Mia Example"},
		"iban":  {doc: "For sepa: the account."},
		"bic":   {doc: "For sepa: the bank; may be missing."},
		"email": {doc: "For paypal: the address of the account.", example: "mia@example.com"},
	}}
)
